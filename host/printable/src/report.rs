//! Shows an error with its causes.

use std::fmt;

/// Shows an error and its causes in one line, because the `Display` of an error names no cause. If one does, the cause is
/// not repeated.
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
        let mut text = self.0.to_string();
        let mut files = lacks_files(self.0);
        let mut source = self.0.source();
        while let Some(error) = source {
            let cause = error.to_string();
            // Errors of other libraries may name their cause themselves.
            if !text.ends_with(&cause) {
                let gap = if text.is_empty() { "" } else { ": " };
                text.extend([gap, &cause]);
            }
            files |= lacks_files(error);
            source = error.source();
        }
        f.write_str(&text)?;
        if files {
            f.write_str("; raise the limit on open files (`ulimit -n`, or LimitNOFILE= of the service)")?;
        }
        Ok(())
    }
}

/// Returns true if the error is that this process has as many files open as it may: the one error of the system that any
/// step can meet, and whose remedy its text does not tell. Only the text is the same in the errors of all libraries.
fn lacks_files(error: &(dyn std::error::Error + 'static)) -> bool {
    error.to_string().ends_with("(os error 24)")
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[derive(Debug)]
    struct Failure(&'static str, Option<Box<Failure>>);

    impl fmt::Display for Failure {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Failure {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    fn shown(first: &'static str, second: &'static str, third: &'static str) -> String {
        let third = Failure(third, None);
        let second = Failure(second, Some(Box::new(third)));
        Report::new(&Failure(first, Some(Box::new(second)))).to_string()
    }

    #[test]
    fn the_limit_on_open_files_is_named_with_its_remedy() {
        let error = std::io::Error::from_raw_os_error(24);
        let shown = Report::new(&error).to_string();
        assert!(shown.contains("(os error 24); raise the limit"), "{shown}");
        assert!(shown.contains("ulimit -n"), "{shown}");
        // `rustix` has an error of its own, and others hand on the text.
        let text = std::io::Error::from_raw_os_error(24).to_string();
        let shown = Report::new(&Failure("a", Some(Box::new(Failure(text.leak(), None))))).to_string();
        assert!(shown.contains("(os error 24); raise the limit"), "{shown}");
    }

    #[test]
    fn each_cause_is_named_once() {
        assert_eq!(shown("a", "b", "c"), "a: b: c");
        assert_eq!(shown("a: b", "b", "c"), "a: b: c");
        assert_eq!(shown("a", "b: c", "c"), "a: b: c");
        assert_eq!(shown("", "b", "c"), "b: c");
    }
}
