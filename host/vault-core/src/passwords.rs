//! Password policies for tests: the same passwords in every run.

use std::collections::BTreeMap;

use crate::SplitMix64;

/// The password policies of a server that stands in for Vault in a test.
///
/// A policy is a length and the characters of which a password consists. The passwords look random and are the same in
/// every run, so they are fit for tests only.
#[derive(Clone, Debug, Default)]
pub struct PasswordPolicies {
    policies: BTreeMap<String, (usize, Vec<char>)>,
    random: SplitMix64,
}

impl PasswordPolicies {
    /// Adds or replaces a policy, whose passwords have `length` characters of `charset`.
    pub fn set(&mut self, name: impl Into<String>, length: usize, charset: &str) {
        self.policies
            .insert(name.into(), (length, charset.chars().collect()));
    }

    /// Returns the next password of a policy.
    ///
    /// # Errors
    /// Returns Vault's text if there is no such policy, or a text that says that the policy has no characters.
    pub fn generate(&mut self, policy: &str) -> Result<String, &'static str> {
        if policy.is_empty() {
            return Err("missing policy name");
        }
        let (length, charset) = self.policies.get(policy).ok_or("no password policy found")?;
        if charset.is_empty() {
            return Err("the password policy has no characters");
        }
        let mut random = self.random;
        let password = (0..*length)
            .map(|_| {
                // The remainder is less than the number of characters.
                charset[(random.next_number() % charset.len() as u64) as usize]
            })
            .collect();
        self.random = random;
        Ok(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_follows_its_policy_and_differs_from_the_last() {
        let mut policies = PasswordPolicies::default();
        policies.set("short", 12, "ab");
        let (one, other) = (
            policies.generate("short").unwrap(),
            policies.generate("short").unwrap(),
        );
        assert!(one != other && one.len() == 12 && one.chars().all(|c| "ab".contains(c)));
        assert_eq!(policies.generate("long"), Err("no password policy found"));
        assert_eq!(policies.generate(""), Err("missing policy name"));
    }
}
