//! The user of a client certificate. That it is genuine was checked when the connection was made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Whom a certificate names, and until when.
#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    /// The subject's common name, else the first DNS or e-mail name.
    pub user: String,
    /// When the certificate ends: connections may live longer.
    pub expires_at: SystemTime,
}

impl Holder {
    /// None where the certificate names nobody.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        Some(Self {
            user: name(&certificate).filter(|name| !name.is_empty())?,
            expires_at: UNIX_EPOCH.checked_add(Duration::from_secs(end))?,
        })
    }
}

fn name(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut common = certificate.subject().iter_common_name();
    if let Some(name) = common.next() {
        return name.as_str().ok().map(str::to_owned);
    }
    let others = certificate.subject_alternative_name().ok().flatten()?;
    let mut names = others.value.general_names.iter();
    names.find_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn holder(common: Option<&str>, others: Vec<SanType>) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = common {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = others;
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let holder = Holder::of(certificate.der())?;
        assert_eq!(
            holder.expires_at,
            UNIX_EPOCH + Duration::from_secs(4_102_444_800)
        );
        Some(holder.user)
    }

    #[test]
    fn the_common_name_goes_before_the_others() {
        let mail = || SanType::Rfc822Name("ada@example.org".try_into().unwrap());
        let dns = || SanType::DnsName("ada.example.org".try_into().unwrap());
        let name = |common, others| holder(common, others).unwrap_or_default();
        assert_eq!(name(Some("ada"), vec![mail()]), "ada");
        assert_eq!(name(None, vec![mail(), dns()]), "ada@example.org");
        assert_eq!(name(None, vec![dns(), mail()]), "ada.example.org");
    }

    #[test]
    fn a_certificate_without_a_name_names_nobody() {
        let address = SanType::IpAddress("127.0.0.1".parse().unwrap());
        assert_eq!(holder(None, vec![address]), None);
        assert_eq!(holder(Some(""), Vec::new()), None);
        assert_eq!(Holder::of(b"no certificate"), None);
    }
}
