//! Operations and token types: each has Vault's name or number, in both directions.

use crate::*;

#[test]
fn operations_have_vaults_names_both_ways() {
    let names = "create read update patch delete list help alias-lookahead resolve-role header revoke renew rollback \
                 rotate recover scan";
    for name in names.split_whitespace() {
        let operation = Operation::from(name.to_owned());
        assert!(!matches!(operation, Operation::Other(_)), "{name}");
        assert_eq!(operation.as_str(), name);
    }
    assert_eq!(
        Operation::from("newer".to_owned()),
        Operation::Other("newer".into())
    );
    assert_eq!(Operation::Other("newer".into()).to_string(), "newer");
}

#[test]
fn token_types_have_vaults_numbers_both_ways() {
    for number in 0..=5 {
        assert_eq!(u32::from(TokenType::from(number)), number);
    }
    assert_eq!(TokenType::from(5), TokenType::Other(5));
}
