//! Implements `Debug` so that it shows which fields are set and never what is in them.

use std::fmt;

use super::{CodedError, Error, Header, Request, Response};

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(_) => f.write_str("User(..)"),
            Self::UnsupportedOperation => f.write_str("UnsupportedOperation"),
            Self::UnsupportedPath => f.write_str("UnsupportedPath"),
            Self::PermissionDenied => f.write_str("PermissionDenied"),
            Self::ReadOnly => f.write_str("ReadOnly"),
            Self::Coded(error) => error.fmt(f),
            Self::Internal(_) => f.write_str("Internal(..)"),
        }
    }
}

impl fmt::Debug for CodedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodedError")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("operation", &self.operation)
            .field("has_data", &self.data.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("has_data", &self.data.is_some())
            .field("has_secret", &self.secret.is_some())
            .field("warnings", &self.warnings.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    #[test]
    fn debug_shows_no_secret() {
        const MARK: &str = "5ecret";
        let secret = Secret {
            lease: Lease::default(),
            internal_data: Some(MARK.into()),
            lease_id: MARK.into(),
        };
        let header = Header {
            name: "X-Name".into(),
            values: vec![MARK.into()],
        };
        let mut request = Request::new(Operation::Update, MARK);
        request.data = Some(MARK.into());
        request.client_token = MARK.into();
        request.headers = vec![header.clone()];
        request.secret = Some(secret.clone());
        let response = Response {
            data: Some(MARK.into()),
            secret: Some(secret.clone()),
            redirect: Some(MARK.into()),
            warnings: vec![MARK.into()],
            headers: vec![header.clone()],
            wrap_info: None,
        };
        let errors = [
            Error::User(MARK.into()),
            Error::Internal(MARK.into()),
            Error::Coded(CodedError {
                status: 418,
                message: MARK.into(),
            }),
        ];
        let printed = format!("{request:?} {response:?} {errors:?} {secret:?} {header:?}");
        assert!(!printed.contains(MARK), "{printed}");
        assert!(printed.contains("418") && printed.contains("X-Name"), "{printed}");
    }
}
