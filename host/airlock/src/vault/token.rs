//! The operator's token.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use ureq::http::HeaderValue;

use super::environment::Environment;
use super::error::SetupError;

/// The file in the home directory in which `vault login` and `bao login` keep the token.
const FILE: &str = ".vault-token";

/// Most bytes that are read of the file; batch tokens have some hundreds.
const MAX_BYTES: u64 = 64 * 1024;

/// A token, which no error and no debug output shows.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Returns the token that the environment names, or else the one that `vault login` has kept.
    pub fn of(environment: &Environment) -> Result<Self, SetupError> {
        if let Some(variable) = environment.get("TOKEN") {
            return Self::parse(&variable.value).ok_or(SetupError::MalformedToken(variable.name));
        }
        let home = environment.home().ok_or(SetupError::NoToken)?;
        let path = home.join(FILE);
        let text = match File::open(&path) {
            Ok(file) => {
                let mut text = String::new();
                file.take(MAX_BYTES)
                    .read_to_string(&mut text)
                    .map_err(|source| SetupError::File {
                        path: path.clone(),
                        source,
                    })?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SetupError::NoToken),
            Err(source) => return Err(SetupError::File { path, source }),
        };
        if text.trim().is_empty() {
            return Err(SetupError::NoToken);
        }
        Self::parse(&text).ok_or_else(|| SetupError::MalformedToken(path.display().to_string()))
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::from_str(text).ok().filter(|_| is_printable)?;
        // The HTTP library shows no sensitive value in its debug output either.
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// Returns the value of the header `X-Vault-Token`.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn environment(home: &str, token: Option<&'static str>) -> Environment {
        let home = home.to_owned();
        Environment::new(move |name| match name {
            "HOME" => Some(home.clone()),
            "VAULT_TOKEN" => token.map(str::to_owned),
            _ => None,
        })
    }

    #[test]
    fn the_variable_comes_before_the_file_that_login_writes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        assert!(matches!(
            Token::of(&environment(path, None)),
            Err(SetupError::NoToken)
        ));
        std::fs::write(home.path().join(FILE), "").unwrap();
        assert!(matches!(
            Token::of(&environment(path, None)),
            Err(SetupError::NoToken)
        ));

        std::fs::write(home.path().join(FILE), "hvs.file\n").unwrap();
        let header = |token| Token::of(&environment(path, token)).unwrap().header();
        assert_eq!(header(None), "hvs.file");
        assert_eq!(header(Some("hvs.variable")), "hvs.variable");
    }

    #[test]
    fn shows_no_token_in_errors_or_debug_output() {
        for malformed in [
            "s3cret token",
            "s3cret\u{1b}[2J",
            "s3cret\r\nX-Other: 1",
            "s3crét",
        ] {
            let error = Token::of(&environment("/nowhere", Some(malformed))).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr"), "{error:?}");
            assert!(error.to_string().contains("VAULT_TOKEN"), "{error}");
        }
        let token = Token::of(&environment("/nowhere", Some("hvs.s3cret"))).unwrap();
        let shown = format!("{token:?} {:?}", token.header());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
