//! Shows an error with its causes.

use std::fmt;

/// Shows an error and its causes in one line, because the `Display` of an error names no cause.
///
/// ```
/// use std::{error, fmt, io};
///
/// #[derive(Debug)]
/// struct NotSaved(io::Error);
///
/// impl fmt::Display for NotSaved {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("the record cannot be saved")
///     }
/// }
///
/// impl error::Error for NotSaved {
///     fn source(&self) -> Option<&(dyn error::Error + 'static)> {
///         Some(&self.0)
///     }
/// }
///
/// let error = NotSaved(io::Error::other("the disk is full"));
/// assert_eq!(
///     printable::Report::new(&error).to_string(),
///     "the record cannot be saved: the disk is full"
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(&'a (dyn std::error::Error + 'static));

impl<'a> Report<'a> {
    /// Reports this error.
    pub fn new(error: &'a (dyn std::error::Error + 'static)) -> Self {
        Self(error)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
