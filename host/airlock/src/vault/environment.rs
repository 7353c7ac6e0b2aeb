//! The variables of the environment that Vault's and OpenBao's own commands read.

use std::path::PathBuf;

/// The variables. OpenBao's own name of a variable, `BAO_…`, comes before `VAULT_…`, as for the `bao` command.
pub struct Environment {
    lookup: Box<Lookup>,
}

/// Returns the value of a variable by its full name.
type Lookup = dyn Fn(&str) -> Option<String>;

/// A variable that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The full name, for error messages.
    pub name: String,
    /// The value, which is not empty.
    pub value: String,
}

impl Environment {
    /// Returns the environment of this process.
    pub fn of_process() -> Self {
        // What is not UTF-8 is kept in part, so that it is refused and not taken for a variable that is not set.
        Self::new(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Returns an environment with the variables that `lookup` returns.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self {
            lookup: Box::new(lookup),
        }
    }

    /// Returns a variable by its name without the prefix, such as `ADDR`. An empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<Variable> {
        ["BAO", "VAULT"].iter().find_map(|prefix| {
            let name = format!("{prefix}_{name}");
            let value = (self.lookup)(&name).filter(|value| !value.is_empty())?;
            Some(Variable { name, value })
        })
    }

    /// Returns the user's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        (self.lookup)("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openbaos_name_of_a_variable_comes_first() {
        let environment = Environment::new(|name| match name {
            "BAO_ADDR" => Some("https://bao".to_owned()),
            "VAULT_ADDR" | "VAULT_TOKEN" => Some("of vault".to_owned()),
            "BAO_TOKEN" => Some(String::new()),
            _ => None,
        });
        let found = |name: &str| environment.get(name).map(|found| (found.name, found.value));
        assert_eq!(
            found("ADDR"),
            Some(("BAO_ADDR".to_owned(), "https://bao".to_owned()))
        );
        assert_eq!(
            found("TOKEN"),
            Some(("VAULT_TOKEN".to_owned(), "of vault".to_owned()))
        );
        assert_eq!(found("NAMESPACE"), None);
    }
}
