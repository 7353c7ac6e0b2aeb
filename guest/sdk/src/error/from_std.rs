//! Makes an [`Error::Internal`] of an error of the standard library or of `serde_json`, for `?`.
//!
//! Its text says what failed and never repeats the value, which may be a secret. It is the engine's own fault: for a
//! caller's mistake, use `map_err(|_| Error::user("…"))`, which says what the caller did wrong.

use crate::Error;

/// Converts errors whose own texts never repeat the value.
macro_rules! internal {
    ($($error:ty = $doing:literal,)*) => { $(
        impl From<$error> for Error {
            fn from(error: $error) -> Error {
                Error::Internal(format!(concat!($doing, ": {}"), error))
            }
        }
    )* };
}

internal! {
    std::num::ParseIntError = "a text is not a whole number",
    std::num::ParseFloatError = "a text is not a number",
    std::num::TryFromIntError = "a number is out of its range",
    std::str::ParseBoolError = "a text is not `true` or `false`",
    std::char::ParseCharError = "a text is not one character",
    std::array::TryFromSliceError = "bytes have another length",
    std::str::Utf8Error = "bytes are not a text",
    std::string::FromUtf8Error = "bytes are not a text",
    std::fmt::Error = "a text cannot be written",
}

impl From<std::net::AddrParseError> for Error {
    fn from(_: std::net::AddrParseError) -> Error {
        Error::internal("a text is not an address")
    }
}

impl From<serde_json::Error> for Error {
    /// Leaves out the text, which quotes the value.
    fn from(error: serde_json::Error) -> Error {
        let (line, column) = (error.line(), error.column());
        Error::Internal(format!(
            "a value is not the JSON that it should be, at line {line}, column {column}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Result;

    #[test]
    fn errors_of_std_become_500_and_never_quote_the_value() {
        fn number(text: &str) -> Result<u8> {
            Ok(text.parse()?)
        }
        fn narrow(number: i64) -> Result<u8> {
            Ok(number.try_into()?)
        }
        fn truth(text: &str) -> Result<bool> {
            Ok(text.parse()?)
        }
        fn text(bytes: Vec<u8>) -> Result<String> {
            Ok(String::from_utf8(bytes)?)
        }
        fn key(bytes: &[u8]) -> Result<[u8; 4]> {
            Ok(bytes.try_into()?)
        }
        fn address(text: &str) -> Result<std::net::IpAddr> {
            Ok(text.parse()?)
        }
        fn json(text: &str) -> Result<u8> {
            Ok(serde_json::from_str(text)?)
        }
        let failures = [
            number("hunter2").map(drop),
            narrow(7_182_818).map(drop),
            truth("hunter2").map(drop),
            text(b"hunter2\xff".to_vec()).map(drop),
            key(b"hunter2").map(drop),
            address("hunter2").map(drop),
            json("\"hunter2\"").map(drop),
        ];
        for failure in failures {
            let error = failure.unwrap_err();
            assert_eq!(error.status(), 500);
            let text = error.to_string();
            assert!(!text.contains("hunter2") && !text.contains("7182818"), "{text}");
        }
        assert_eq!(
            number("x").unwrap_err(),
            Error::internal("a text is not a whole number: invalid digit found in string")
        );
    }
}
