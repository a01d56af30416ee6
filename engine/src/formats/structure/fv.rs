//! Fvs of a model: which V domains pair, and what they bind.
//!
//! SAbDab's remarks come first. V domains that they do not name are paired by contacts: a VH and a VL of one chain that has
//! no other (scFv) are a pair; then, from the closest, any VH and VL with at least [`INTERFACE`] pairs of Cα within
//! [`CONTACT`] Å of each other. The others stay single. Antigens of such Fvs are the polypeptides without a heavy or
//! light V domain that have at least [`PARATOPE`] Cα within [`CONTACT`] Å of the CDRs; haptens, sugars and nucleic acids are not looked for.

use std::collections::HashMap;

use udfs::antibody::{Chain as Kind, VDomain, v_domains};

use super::entry::{Chain, FvRemark, Model, Polymer, Remarks};
use super::finish::distance;

/// How close two Cα in contact are, in Å.
pub(super) const CONTACT: f64 = 8.0;
/// Fewest contacts of a VH and a VL that pair.
pub(super) const INTERFACE: u32 = 20;
/// Fewest contacts of CDRs and an antigen.
pub(super) const PARATOPE: u32 = 5;
/// Residues of a protein; a shorter polypeptide is a peptide.
pub(super) const PROTEIN: usize = 50;
/// CDRs by IMGT.
const CDRS: [std::ops::RangeInclusive<u16>; 3] = [27..=38, 56..=65, 105..=117];

/// V domains of sequences, each looked for once.
#[derive(Debug, Default)]
pub(super) struct Domains(HashMap<String, Vec<VDomain>>);

impl Domains {
    /// The V domains of a chain, in order.
    pub(super) fn of(&mut self, chain: &Chain) -> &[VDomain] {
        if chain.polymer != Polymer::Polypeptide {
            return &[];
        }
        if !self.0.contains_key(&chain.sequence) {
            let found = v_domains(chain.sequence.as_bytes()).unwrap_or_default();
            self.0.insert(chain.sequence.clone(), found);
        }
        self.0.get(&chain.sequence).map_or(&[], Vec::as_slice)
    }
}

/// Where a pairing was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    /// SAbDab's remark.
    Remark,
    /// Both V domains are in one chain.
    Chain,
    /// Contacts.
    Geometry,
    /// There is nothing to pair with.
    None,
}

impl Pairing {
    /// Its name in the tables.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Remark => "remark",
            Self::Chain => "chain",
            Self::Geometry => "geometry",
            Self::None => "none",
        }
    }
}

/// A V domain of a model: index of its chain, and of the domain in it.
pub(super) type Place = (usize, usize);

/// One side of an Fv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    /// The author's chain.
    pub(super) chain: String,
    /// Its V domain; `None` where the file has none in such a chain.
    pub(super) place: Option<Place>,
}

/// An Fv, or a V domain without partner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fv {
    /// Heavy side.
    pub(super) heavy: Option<Side>,
    /// Light side.
    pub(super) light: Option<Side>,
    /// Where the pairing was taken from.
    pub(super) pairing: Pairing,
    /// Pairs of Cα within [`CONTACT`] Å between the two V domains.
    pub(super) contacts: Option<u32>,
    /// What it binds.
    pub(super) antigens: Vec<Antigen>,
    /// What is to be known of it.
    pub(super) warnings: Vec<String>,
}

/// What an Fv binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Antigen {
    /// The author's chain.
    pub(super) chain: String,
    /// `protein`, `peptide`, `hapten`, …
    pub(super) kind: Option<String>,
    /// Name of the molecule, or the components of a hapten.
    pub(super) name: Option<String>,
}

/// A V domain with its Cα.
struct Body {
    place: Place,
    kind: Kind,
    all: Vec<[f64; 3]>,
    cdrs: Vec<[f64; 3]>,
}

/// The Fvs of a model: those of the remarks in their order, then the others in the order of their chains.
pub(super) fn fvs(model: &Model, remarks: &Remarks, domains: &mut Domains) -> Vec<Fv> {
    let mut bodies: Vec<Body> = Vec::new();
    for (at, chain) in model.chains.iter().enumerate() {
        bodies.extend(v_domain_bodies(at, chain, domains.of(chain)));
    }
    bodies.retain(|body| matches!(body.kind, Kind::Heavy | Kind::Light));
    let mut is_free = vec![true; bodies.len()];
    let mut fvs: Vec<Fv> = remarks
        .fvs
        .iter()
        .map(|remark| of_remark(remark, model, &bodies, &mut is_free))
        .collect();
    warn(&mut fvs, &remarks.warnings);
    let mut others = pairs(&bodies, &mut is_free);
    others.extend(
        bodies
            .iter()
            .zip(&is_free)
            .filter(|(_, is_free)| **is_free)
            .map(|(body, _)| (body, None)),
    );
    others.sort_by_key(|(body, _)| body.place);
    fvs.extend(
        others
            .into_iter()
            .map(|(body, partner)| of_bodies(model, &bodies, body, partner)),
    );
    fvs
}

fn v_domain_bodies<'a>(
    at: usize,
    chain: &'a Chain,
    domains: &'a [VDomain],
) -> impl Iterator<Item = Body> + 'a {
    domains.iter().enumerate().map(move |(index, domain)| {
        let start = domain.numbering.start.saturating_sub(1);
        let residues = chain
            .residues
            .get(start..domain.numbering.end)
            .unwrap_or_default();
        let numbered = domain.numbering.positions.iter().zip(residues);
        let is_cdr = |number: u16| CDRS.iter().any(|cdr| cdr.contains(&number));
        Body {
            place: (at, index),
            kind: domain.chain(),
            all: residues.iter().filter_map(|residue| residue.ca).collect(),
            cdrs: numbered
                .filter(|(position, _)| is_cdr(position.number))
                .filter_map(|(_, residue)| residue.ca)
                .collect(),
        }
    })
}

fn of_remark(remark: &FvRemark, model: &Model, bodies: &[Body], is_free: &mut [bool]) -> Fv {
    let mut warnings = Vec::new();
    let mut taken: Vec<&Body> = Vec::new();
    let mut side = |said: &Option<String>, kind: Kind| {
        let auth = said.as_ref()?;
        let found = bodies
            .iter()
            .zip(is_free.iter_mut())
            .find(|(body, is_free)| {
                **is_free && body.kind == kind && model.chains[body.place.0].auth_asym_id == *auth
            });
        let place = found.map(|(body, is_free)| {
            *is_free = false;
            taken.push(body);
            body.place
        });
        if place.is_none() {
            let is_there = model.chains.iter().any(|chain| chain.auth_asym_id == *auth);
            warnings.push(match is_there {
                true => format!("chain {auth} has no {} V domain", kind.as_str()),
                false => format!("chain {auth} is not in the file"),
            });
        }
        Some(Side {
            chain: auth.clone(),
            place,
        })
    };
    let (heavy, light) = (
        side(&remark.heavy, Kind::Heavy),
        side(&remark.light, Kind::Light),
    );
    let antigens = remark.antigens.iter().map(|(chain, kind)| {
        let found = model
            .chains
            .iter()
            .find(|other| other.auth_asym_id == *chain);
        let is_polymer = matches!(
            kind.as_deref(),
            None | Some("protein" | "peptide" | "nucleic-acid")
        );
        Antigen {
            chain: chain.clone(),
            kind: kind.clone(),
            name: match is_polymer {
                true => found.and_then(|chain| chain.molecule.name.clone()),
                false => found.and_then(ligands),
            },
        }
    });
    Fv {
        contacts: match taken.as_slice() {
            [a, b] => Some(contacts(&a.all, &b.all)),
            _ => None,
        },
        heavy,
        light,
        pairing: Pairing::Remark,
        antigens: antigens.collect(),
        warnings,
    }
}

fn ligands(chain: &Chain) -> Option<String> {
    let names: Vec<&str> = chain.ligands.iter().map(|ligand| ligand.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Warnings name the Fv by its chains as their last word (`HL`); one that names none is for all.
fn warn(fvs: &mut [Fv], warnings: &[String]) {
    for warning in warnings {
        let last = warning.split_whitespace().last().unwrap_or_default();
        let name = |fv: &Fv| {
            let side = |side: &Option<Side>| {
                side.as_ref()
                    .map_or(String::new(), |side| side.chain.clone())
            };
            side(&fv.heavy) + &side(&fv.light)
        };
        let is_named = fvs.iter().any(|fv| name(fv) == last);
        for fv in fvs.iter_mut().filter(|fv| !is_named || name(fv) == last) {
            fv.warnings.push(warning.clone());
        }
    }
}

/// Pairs of V domains that are free, a VH and its VL.
fn pairs<'a>(
    bodies: &'a [Body],
    is_free: &mut [bool],
) -> Vec<(&'a Body, Option<(&'a Body, Pairing)>)> {
    let mut found = Vec::new();
    let of = |kind: Kind, chain: Option<usize>| {
        let is_it =
            move |body: &Body| body.kind == kind && chain.is_none_or(|chain| body.place.0 == chain);
        (0..bodies.len()).filter(move |at| is_it(&bodies[*at]))
    };
    for heavy in of(Kind::Heavy, None) {
        let chain = Some(bodies[heavy].place.0);
        let mut lights = of(Kind::Light, chain);
        if let (1, Some(light), None) =
            (of(Kind::Heavy, chain).count(), lights.next(), lights.next())
            && is_free[heavy]
            && is_free[light]
        {
            (is_free[heavy], is_free[light]) = (false, false);
            found.push((&bodies[heavy], Some((&bodies[light], Pairing::Chain))));
        }
    }
    let mut near: Vec<(u32, usize, usize)> = Vec::new();
    for heavy in of(Kind::Heavy, None).filter(|at| is_free[*at]) {
        for light in of(Kind::Light, None).filter(|at| is_free[*at]) {
            let count = contacts(&bodies[heavy].all, &bodies[light].all);
            if count >= INTERFACE {
                near.push((count, heavy, light));
            }
        }
    }
    near.sort_by_key(|(count, heavy, light)| (std::cmp::Reverse(*count), *heavy, *light));
    for (_, heavy, light) in near {
        if is_free[heavy] && is_free[light] {
            (is_free[heavy], is_free[light]) = (false, false);
            found.push((&bodies[heavy], Some((&bodies[light], Pairing::Geometry))));
        }
    }
    found
}

fn of_bodies(model: &Model, bodies: &[Body], body: &Body, partner: Option<(&Body, Pairing)>) -> Fv {
    let side = |body: &Body| Side {
        chain: model.chains[body.place.0].auth_asym_id.clone(),
        place: Some(body.place),
    };
    let partner_side = partner.map(|(partner, _)| side(partner));
    let (heavy, light) = match body.kind {
        Kind::Light => (partner_side, Some(side(body))),
        _ => (Some(side(body)), partner_side),
    };
    let mut cdrs = body.cdrs.clone();
    cdrs.extend(partner.iter().flat_map(|(partner, _)| &partner.cdrs));
    Fv {
        heavy,
        light,
        pairing: partner.map_or(Pairing::None, |(_, pairing)| pairing),
        contacts: partner.map(|(partner, _)| contacts(&body.all, &partner.all)),
        antigens: antigens(model, bodies, &cdrs),
        warnings: Vec::new(),
    }
}

fn antigens(model: &Model, bodies: &[Body], cdrs: &[[f64; 3]]) -> Vec<Antigen> {
    let is_antibody = |at: usize| bodies.iter().any(|body| body.place.0 == at);
    let chains = model.chains.iter().enumerate();
    chains
        .filter(|(at, chain)| chain.polymer == Polymer::Polypeptide && !is_antibody(*at))
        .filter(|(_, chain)| {
            let all: Vec<[f64; 3]> = chain
                .residues
                .iter()
                .filter_map(|residue| residue.ca)
                .collect();
            contacts(cdrs, &all) >= PARATOPE
        })
        .map(|(_, chain)| Antigen {
            chain: chain.auth_asym_id.clone(),
            kind: Some(kind(chain.residues.len()).to_string()),
            name: chain.molecule.name.clone(),
        })
        .collect()
}

/// `peptide` or `protein`, by the number of residues.
pub(super) fn kind(residues: usize) -> &'static str {
    if residues < PROTEIN {
        "peptide"
    } else {
        "protein"
    }
}

/// Pairs of Cα within [`CONTACT`] Å.
fn contacts(a: &[[f64; 3]], b: &[[f64; 3]]) -> u32 {
    let (Some((low, high)), false) = (bounds(b), a.is_empty()) else {
        return 0;
    };
    let mut count = 0;
    // What is far from all of the others needs no look at each.
    let is_near = |point: &[f64; 3]| {
        (0..3).all(|axis| point[axis] >= low[axis] - CONTACT && point[axis] <= high[axis] + CONTACT)
    };
    for point in a.iter().filter(|point| is_near(point)) {
        count += b
            .iter()
            .filter(|other| distance(*point, **other) <= CONTACT)
            .count() as u32;
    }
    count
}

fn bounds(points: &[[f64; 3]]) -> Option<([f64; 3], [f64; 3])> {
    let first = *points.first()?;
    Some(
        points
            .iter()
            .fold((first, first), |(mut low, mut high), point| {
                for axis in 0..3 {
                    low[axis] = low[axis].min(point[axis]);
                    high[axis] = high[axis].max(point[axis]);
                }
                (low, high)
            }),
    )
}
