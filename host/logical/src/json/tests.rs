use super::*;

/// Runs the check in one step and in steps of one byte, which must agree.
fn checked(text: &str) -> Result<(), Flaw> {
    let whole = check_object(text);
    let mut check = ObjectCheck::new(text, &[]);
    let stepwise = loop {
        match check.step(1) {
            Ok(false) => {}
            Ok(true) => break Ok(()),
            Err(flaw) => break Err(flaw),
        }
    };
    assert_eq!(whole, stepwise, "{text}");
    whole
}

#[test]
fn accepts_objects_of_every_kind() {
    for text in [
        "{}",
        " {\n\t\"a\" : [ ] , \"b\":{ } }\r\n",
        r#"{"n": 9007199254740993, "s": "a\"}]1e999\\", "u": "\u00e4\ud800"}"#,
        r#"{"a":[{"b":-1.5e+3},null,true,false,0,-0,0.10,1E-9999]}"#,
        r#"{"":"ü","a":1,"a":2}"#,
    ] {
        assert_eq!(checked(text), Ok(()), "{text}");
    }
}

#[test]
fn says_what_is_wrong_with_other_texts() {
    let at = |at| Flaw::Syntax { at };
    for (text, flaw) in [
        ("", Flaw::Incomplete),
        ("null", Flaw::NotAnObject),
        ("[1]", Flaw::NotAnObject),
        ("\"{}\"", Flaw::NotAnObject),
        ("{", Flaw::Incomplete),
        (r#"{"a":"#, Flaw::Incomplete),
        (r#"{"a":tru"#, Flaw::Incomplete),
        (r#"{"a":"\u00"#, Flaw::Incomplete),
        (r#"{"a":-"#, Flaw::Incomplete),
        ("{} {}", at(3)),
        ("{,}", at(1)),
        (r#"{"a"}"#, at(4)),
        (r#"{"a":}"#, at(5)),
        (r#"{"a":1,}"#, at(7)),
        (r#"{"a":[1,]}"#, at(8)),
        (r#"{"a":[1}"#, at(7)),
        (r#"{"a":1]"#, at(6)),
        (r#"{"a":tric}"#, at(5)),
        (r#"{"a":01}"#, at(6)),
        (r#"{"a":1.}"#, at(7)),
        (r#"{"a":1e}"#, at(7)),
        (r#"{"a":+1}"#, at(5)),
        (r#"{"a":"\x"}"#, at(6)),
        (r#"{"a":"\u12g4"}"#, at(6)),
        ("{\"a\":\"\n\"}", at(6)),
        ("{a:1}", at(1)),
        ("{\"a\":1}\u{a0}", at(7)),
    ] {
        assert_eq!(checked(text), Err(flaw), "{text}");
    }
}

#[test]
fn numbers_have_to_fit_a_float() {
    let of = |number: &str| checked(&format!(r#"{{"a":[{number}]}}"#));
    let digits = |count: usize| "9".repeat(count);
    let many = digits(400);
    for good in [
        "1e308",
        "-1.7976931348623157e308",
        "1e-400",
        "0e999999",
        &digits(308),
        &format!("0.{many}"),
        &format!("{many}e-200"),
        &format!("1{}", "0".repeat(308)),
    ] {
        assert_eq!(of(good), Ok(()), "{good}");
    }
    for bad in [
        "1e309",
        "-1e400",
        "1.8e308",
        "1E99999999999999999999",
        &digits(309),
        &many,
    ] {
        assert_eq!(of(bad), Err(Flaw::Number), "{bad}");
    }
}

#[test]
fn nesting_is_followed_as_deep_as_go_follows_it() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(check_object(&nested(MAX_DEPTH)), Ok(()));
    assert_eq!(check_object(&nested(MAX_DEPTH + 1)), Err(Flaw::Depth));
    // A million levels cost no stack.
    assert_eq!(check_object(&nested(1_000_000)), Err(Flaw::Depth));
}

#[test]
fn fields_are_noted_of_the_outermost_object_alone() {
    let names = &["a", "b", "c", "d", "e", "f", "g", "missing"];
    let text = r#"{"g":{"missing":1,"a":2},"a":null,"b":-1.50,"c":["x","y"],"d":["x",["y"]],"e":[],"f":{"b":[1]},"c":["z"]}"#;
    let mut check = ObjectCheck::new(text, names);
    while !check.step(3).unwrap() {}
    for (name, held) in [
        ("a", Some(FieldKind::Null)),
        ("b", Some(FieldKind::Number("-1.50"))),
        ("c", Some(FieldKind::Strings)),
        ("d", Some(FieldKind::Array)),
        ("e", Some(FieldKind::Strings)),
        ("f", Some(FieldKind::Object)),
        ("g", Some(FieldKind::Object)),
        ("missing", None),
        ("unknown", None),
    ] {
        assert_eq!(check.field(name), held, "{name}");
    }
}

#[test]
fn a_key_is_known_also_when_it_is_written_in_escapes() {
    let held = |text: &'static str| {
        let mut check = ObjectCheck::new(text, &["a_b"]);
        assert!(check.step(usize::MAX).unwrap());
        check.field("a_b")
    };
    assert_eq!(held(r#"{"\u0061\u005fb":"x"}"#), Some(FieldKind::String));
    assert_eq!(held(r#"{"a_b":["x"],"a\u005Fb":true}"#), Some(FieldKind::Bool));
    for other in [
        r#"{"a_bc":1}"#,
        r#"{"a_":1}"#,
        r#"{"\u0062_b":1}"#,
        r#"{"a\\u005fb":1}"#,
    ] {
        assert_eq!(held(other), None, "{other}");
    }
}

/// Returns a random text of the characters that JSON uses. More often than not, it is an object.
fn drawn(random: &mut fastrand::Rng) -> String {
    const PIECES: [&str; 24] = [
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\n\"", "1", "-2.5", "1e3", "0", "null", "true", "false",
        " ", "\"", "\\", "e", ".", "-", "{\"a\":", "[1,", "\"b\":",
    ];
    let count = random.usize(0..8);
    let inside: String = (0..count)
        .map(|_| PIECES[random.usize(0..PIECES.len())])
        .collect();
    match random.u8(0..3) {
        0 => inside,
        1 => format!("{{\"k\":{inside}}}"),
        _ => format!("{{\"k\":[{inside}]}}"),
    }
}

#[test]
fn agrees_with_another_parser() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut accepted = 0;
    for _ in 0..200_000 {
        let text = drawn(&mut random);
        let result = checked(&text);
        if result == Err(Flaw::Number) {
            continue; // The other parser keeps numbers as text.
        }
        let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_ok();
        assert_eq!(result.is_ok(), parsed, "{text}");
        accepted += u32::from(parsed);
    }
    assert!(accepted > 1000, "{accepted} objects are too few to tell");
}
