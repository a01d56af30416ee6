//! Species as a closed vocabulary: the words of sources are mapped to it, never guessed.

/// The vocabulary of the column `species`.
pub const SPECIES: [&str; 14] = [
    "human",
    "mouse",
    "rat",
    "rabbit",
    "rhesus",
    "cynomolgus",
    "alpaca",
    "llama",
    "camel",
    "cow",
    "chicken",
    "engineered",
    "other",
    "unknown",
];

/// Other words for the entries of the vocabulary, lower case, single spaces.
///
/// OAS calls mice with a human immune system `HIS-Mouse`: their antibodies are human.
static SYNONYMS: &[(&str, &str)] = &[
    ("homo sapiens", "human"),
    ("homsap", "human"),
    ("h. sapiens", "human"),
    ("his-mouse", "human"),
    ("9606", "human"),
    ("mus musculus", "mouse"),
    ("musmus", "mouse"),
    ("m. musculus", "mouse"),
    ("mus", "mouse"),
    ("house mouse", "mouse"),
    ("murine", "mouse"),
    ("10090", "mouse"),
    ("rattus norvegicus", "rat"),
    ("ratnor", "rat"),
    ("rattus", "rat"),
    ("brown rat", "rat"),
    ("10116", "rat"),
    ("oryctolagus cuniculus", "rabbit"),
    ("orycun", "rabbit"),
    ("9986", "rabbit"),
    ("macaca mulatta", "rhesus"),
    ("macmul", "rhesus"),
    ("rhesus macaque", "rhesus"),
    ("rhesus monkey", "rhesus"),
    ("9544", "rhesus"),
    ("macaca fascicularis", "cynomolgus"),
    ("macfas", "cynomolgus"),
    ("cynomolgus macaque", "cynomolgus"),
    ("cynomolgus monkey", "cynomolgus"),
    ("crab-eating macaque", "cynomolgus"),
    ("long-tailed macaque", "cynomolgus"),
    ("cyno", "cynomolgus"),
    ("9541", "cynomolgus"),
    ("vicugna pacos", "alpaca"),
    ("lama pacos", "alpaca"),
    ("vicpac", "alpaca"),
    ("30538", "alpaca"),
    ("lama glama", "llama"),
    ("lamgla", "llama"),
    ("9844", "llama"),
    ("camelus dromedarius", "camel"),
    ("camelus bactrianus", "camel"),
    ("camelus ferus", "camel"),
    ("camelus", "camel"),
    ("camdro", "camel"),
    ("dromedary", "camel"),
    ("bactrian camel", "camel"),
    ("arabian camel", "camel"),
    ("9838", "camel"),
    ("9837", "camel"),
    ("419612", "camel"),
    ("bos taurus", "cow"),
    ("bostau", "cow"),
    ("cattle", "cow"),
    ("bovine", "cow"),
    ("9913", "cow"),
    ("gallus gallus", "chicken"),
    ("galgal", "chicken"),
    ("9031", "chicken"),
    ("synthetic construct", "engineered"),
    ("synthetic", "engineered"),
    ("artificial", "engineered"),
    ("artificial sequence", "engineered"),
    ("artificial sequences", "engineered"),
    ("humanized", "engineered"),
    ("humanised", "engineered"),
    ("chimeric", "engineered"),
    ("32630", "engineered"),
    ("na", "unknown"),
    ("n/a", "unknown"),
    ("none", "unknown"),
    ("not available", "unknown"),
    ("unidentified", "unknown"),
    ("-", "unknown"),
    ("?", "unknown"),
];

/// The vocabulary's word for a source's words, if they are known.
///
/// Case does not matter, nor what follows in brackets or after an underscore (`mouse_C57BL/6`,
/// `Homo sapiens (Human)`), nor a subspecies or strain behind a scientific name. Taxonomy identifiers of NCBI are known
/// too, with or without a prefix.
pub fn known(words: &str) -> Option<&'static str> {
    let lower = words.trim().to_lowercase();
    let lower = lower
        .strip_prefix("ncbitaxon:")
        .or_else(|| lower.strip_prefix("ncbitaxon_"))
        .or_else(|| lower.strip_prefix("taxid:"))
        .unwrap_or(&lower);
    let plain = lower.split(['(', '[']).next().unwrap_or(lower).trim();
    lookup(plain)
        .or_else(|| lookup(plain.split('_').next()?.trim()))
        .or_else(|| lookup(&plain.replace('_', " ")))
        .or_else(|| {
            // Two words of a scientific name, then a subspecies or strain.
            let mut parts = plain.split([' ', '_']).filter(|part| !part.is_empty());
            let (genus, species) = (parts.next()?, parts.next()?);
            lookup(&format!("{genus} {species}"))
        })
}

/// The vocabulary's word for a source's words: `other` where they name something else, `unknown` where they say nothing.
pub fn of(words: &str) -> &'static str {
    if words.trim().is_empty() {
        return "unknown";
    }
    known(words).unwrap_or("other")
}

/// The strain behind a species (`mouse_C57BL/6`, `Mus musculus_BALB/c`).
pub fn strain(words: &str) -> Option<&str> {
    let (species, strain) = words.trim().split_once('_')?;
    (known(species).is_some() && known(words) != known(&strain.replace('_', " ")))
        .then_some(strain)
        .filter(|strain| !strain.is_empty())
}

fn lookup(words: &str) -> Option<&'static str> {
    SPECIES
        .iter()
        .find(|entry| **entry == words)
        .copied()
        .or_else(|| {
            SYNONYMS
                .iter()
                .find(|(synonym, _)| *synonym == words)
                .map(|(_, entry)| *entry)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_sources_are_understood() {
        for (words, entry) in [
            ("Homo sapiens", "human"),
            ("HUMAN", "human"),
            ("Homo sapiens (Human)", "human"),
            ("Homo sapiens (9606)", "human"),
            ("homo_sapiens", "human"),
            ("NCBITAXON:9606", "human"),
            ("HIS-Mouse", "human"),
            ("mouse_C57BL/6", "mouse"),
            ("Mus musculus_BALB/c", "mouse"),
            ("Mus musculus domesticus", "mouse"),
            ("rat_SD", "rat"),
            ("Macaca mulatta", "rhesus"),
            ("rhesus", "rhesus"),
            ("Macaca fascicularis", "cynomolgus"),
            ("Vicugna pacos", "alpaca"),
            ("Lama glama", "llama"),
            ("Camelus dromedarius", "camel"),
            ("Gallus gallus", "chicken"),
            ("synthetic construct", "engineered"),
            ("Influenza A virus", "other"),
            ("Macaca nemestrina", "other"),
            ("", "unknown"),
            ("N/A", "unknown"),
        ] {
            assert_eq!(of(words), entry, "{words}");
        }
    }

    #[test]
    fn every_synonym_leads_into_the_vocabulary() {
        for (synonym, entry) in SYNONYMS {
            assert!(SPECIES.contains(entry), "{synonym}");
            assert_eq!(*synonym, synonym.to_lowercase());
        }
    }

    #[test]
    fn a_strain_is_what_follows_the_species() {
        assert_eq!(strain("mouse_C57BL/6"), Some("C57BL/6"));
        assert_eq!(strain("Mus musculus_BALB/c"), Some("BALB/c"));
        assert_eq!(strain("human"), None);
        assert_eq!(strain("homo_sapiens"), None);
    }
}
