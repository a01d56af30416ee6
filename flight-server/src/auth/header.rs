//! The header `authorization`, as HTTP defines it.

use argon2::password_hash::Encoding;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::refusal;

/// Longest header that is looked at, bytes. JWTs with many claims have some thousands.
const LIMIT: usize = 32 << 10;

/// What a client shows.
#[derive(PartialEq, Eq)]
pub enum Credentials {
    /// Name and password.
    Basic {
        /// Name.
        user: String,
        /// Password, as sent.
        password: Vec<u8>,
    },
    /// A token.
    Bearer(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(***)",
            Self::Bearer(_) => "Bearer(***)",
        })
    }
}

impl Credentials {
    /// Those of the header; none where there is no header.
    pub fn of(metadata: &MetadataMap) -> Result<Option<Self>, Status> {
        let Some(value) = metadata.get("authorization") else {
            return Ok(None);
        };
        let text = value.to_str().ok().filter(|text| text.len() <= LIMIT);
        let credentials = text.and_then(Self::parse);
        credentials.map(Some).ok_or_else(refusal::malformed_header)
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Some(Self::Bearer(rest.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = from_base64(rest)?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        Some(Self::Basic {
            user: String::from_utf8(pair[..colon].to_vec()).ok()?,
            password: pair[colon + 1..].to_vec(),
        })
    }
}

/// Decodes base64 with or without padding.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = vec![0; text.len()];
    let length = Encoding::B64.decode(text, &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// Base64 without padding.
pub fn to_base64(bytes: &[u8]) -> String {
    let mut text = vec![0; Encoding::B64.encoded_len(bytes)];
    // The buffer has the length that the encoding asks for: it cannot fail.
    Encoding::B64
        .encode(bytes, &mut text)
        .map(str::to_owned)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Option<Credentials>, Status> {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", header.parse().unwrap());
        Credentials::of(&metadata)
    }

    #[test]
    fn both_kinds_are_read_whatever_their_case_and_padding() {
        let basic = |user: &str, password: &str| Credentials::Basic {
            user: user.into(),
            password: password.into(),
        };
        let parsed = |header| of(header).unwrap().unwrap();
        assert_eq!(parsed("Basic YWRhOnM6cA=="), basic("ada", "s:p"));
        assert_eq!(parsed("basic YWRhOnM6cA"), basic("ada", "s:p"));
        assert_eq!(parsed("Basic YWRhOg=="), basic("ada", ""));
        assert_eq!(parsed("Bearer x.y.z"), Credentials::Bearer("x.y.z".into()));
        assert_eq!(parsed("BEARER  t "), Credentials::Bearer("t".into()));
        assert_eq!(Credentials::of(&MetadataMap::new()).unwrap(), None);
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        let long = format!("Bearer {}", "x".repeat(LIMIT));
        for header in [
            "Basic",
            "Basic hush!",
            "Basic aHVzaA==",
            "Bearer ",
            "hush",
            "Digest hush",
            &long,
        ] {
            let refused = of(header).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::Unauthenticated);
            assert!(!refused.message().contains("hush"), "{header}");
        }
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let shown = format!("{:?}", of("Basic YWRhOmh1c2g=").unwrap());
        assert_eq!(shown, "Some(Basic(***))");
    }

    #[test]
    fn base64_is_undone_by_its_inverse() {
        for length in 0..50_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            assert_eq!(from_base64(&to_base64(&bytes)).unwrap(), bytes);
        }
    }
}
