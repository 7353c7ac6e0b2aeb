//! Provides the macros that declare fields and their allowed values.

/// Declares the fields of a handler. See the [module](crate::field).
///
/// Attributes pass through, so that the same struct can also be stored:
///
/// ```
/// use airlock_sdk::{fields, field::seconds};
/// use std::time::Duration;
///
/// fields! {
///     #[derive(serde::Serialize, serde::Deserialize)]
///     struct Config {
///         /// Lifetime of tokens.
///         #[serde(with = "seconds")]
///         ttl: Duration = Duration::from_secs(60),
///     }
/// }
/// ```
#[macro_export]
macro_rules! fields {
    ($(
        $(#[$($meta:tt)*])*
        $vis:vis struct $name:ident { $($body:tt)* }
    )+) => { $(
        $crate::__fields! { $(#[$($meta)*])* $vis struct $name { $($body)* } }
    )+ };
}

/// Declares one struct of [`fields!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __fields {
    // Groups alone.
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident { $(.. $group_vis:vis $group:ident : $group_type:ty),+ $(,)? }
    ) => {
        $crate::__fields! {
            $(#[$meta])* $vis struct $name {} { $(.. $group_vis $group: $group_type),+ }
        }
    };
    // Fields, and perhaps groups after them.
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[$($attribute:tt)*])*
                $field_vis:vis $field:ident : $type:ty
                    $(as $flag:ident $(($($argument:expr),*))?)* $(= $default:expr)?
            ),*
            $(, .. $group_vis:vis $group:ident : $group_type:ty)*
            $(,)?
        }
    ) => {
        $crate::__fields! {
            $(#[$meta])* $vis struct $name {
                $(
                    $(#[$($attribute)*])*
                    $field_vis $field: $type $(as $flag $(($($argument),*))?)* $(= $default)?
                ),*
            } { $(.. $group_vis $group: $group_type),* }
        }
    };
    // Both lists, apart.
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[$($attribute:tt)*])*
                $field_vis:vis $field:ident : $type:ty
                    $(as $flag:ident $(($($argument:expr),*))?)* $(= $default:expr)?
            ),*
        } { $(.. $group_vis:vis $group:ident : $group_type:ty),* }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[$($attribute)*])* $field_vis $field: $type, )*
            $( $group_vis $group: $group_type, )*
        }

        // Checks the declarations even if nothing uses them.
        const _: &[$crate::Field] = <$name as $crate::Fields>::FIELDS;

        impl $crate::Fields for $name {
            const FIELDS: &'static [$crate::Field] = {
                const PARTS: &[&[$crate::Field]] = &[
                    &[
                        $(
                            $crate::Field::of::<$type>(
                                stringify!($field),
                                &[$($crate::__doc!($($attribute)*)),*],
                            )
                            $( .default(|| {
                                let default: $type = $default;
                                $crate::FieldType::to_json(&default)
                            }) )?
                            $( .$flag($($($argument),*)?) )*
                        ),*
                    ],
                    $( <$group_type as $crate::Fields>::FIELDS, )*
                ];
                const ALL: [$crate::Field; $crate::field::count(PARTS)] = $crate::field::join(PARTS);
                $crate::field::checked(&ALL)
            };

            #[allow(unused_variables)]
            fn parse(raw: &mut $crate::field::Raw<'_>) -> ::core::result::Result<Self, $crate::field::FieldError> {
                ::core::result::Result::Ok(Self {
                    $( $field: {
                        const FIELD: $crate::Field =
                            $crate::Field::of::<$type>(stringify!($field), &[]) $( .$flag($($($argument),*)?) )*;
                        raw.take::<$type>(&FIELD, $crate::__default!($($default)?))?
                    }, )*
                    $( $group: <$group_type as $crate::Fields>::parse(raw)?, )*
                })
            }

            #[allow(unused_variables, unused_mut)]
            fn given(
                raw: &mut $crate::field::Raw<'_>,
            ) -> ::core::result::Result<$crate::Map, $crate::field::FieldError> {
                let mut given = $crate::Map::new();
                $( {
                    const FIELD: $crate::Field =
                        $crate::Field::of::<$type>(stringify!($field), &[]) $( .$flag($($($argument),*)?) )*;
                    raw.give::<$type>(&FIELD, &mut given)?;
                } )*
                $( given.extend(<$group_type as $crate::Fields>::given(raw)?); )*
                ::core::result::Result::Ok(given)
            }
        }
    };
}

/// The text of a doc comment; an empty text for any other attribute.
#[doc(hidden)]
#[macro_export]
macro_rules! __doc {
    (doc = $text:expr) => {
        $text
    };
    ($($other:tt)*) => {
        ""
    };
}

/// A default as a function, which runs only if the default is needed.
#[doc(hidden)]
#[macro_export]
macro_rules! __default {
    () => {
        ::core::option::Option::None
    };
    ($default:expr) => {
        ::core::option::Option::Some(|| $default)
    };
}

/// Declares an enum of the values that a field may have. Other values are refused. The enum is stored as its text.
///
/// ```
/// # use airlock_sdk::choices;
/// choices! {
///     /// The kind of a key.
///     pub enum KeyType { Ed25519 = "ed25519", EcdsaP256 = "ecdsa-p256" }
/// }
/// assert_eq!(KeyType::EcdsaP256.as_str(), "ecdsa-p256");
/// ```
#[macro_export]
macro_rules! choices {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$choice_meta:meta])* $choice:ident = $text:literal ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $(
                #[doc = concat!("`", $text, "`")]
                $(#[$choice_meta])*
                $choice
            ),+
        }

        impl $name {
            /// Returns its text in requests.
            $vis const fn as_str(self) -> &'static str {
                match self { $( Self::$choice => $text ),+ }
            }

            fn from_text(text: &str) -> ::core::option::Option<Self> {
                match text { $( $text => ::core::option::Option::Some(Self::$choice), )+ _ => ::core::option::Option::None }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::FieldType for $name {
            const KIND: $crate::field::Kind = $crate::field::Kind::String;
            const ALLOWED: &'static [&'static str] = &[$($text),+];

            fn from_json(
                value: $crate::Value,
            ) -> ::core::result::Result<::core::option::Option<Self>, ::std::string::String> {
                $crate::field::choose(value, Self::from_text, <Self as $crate::FieldType>::ALLOWED)
            }

            fn to_json(&self) -> $crate::Value {
                $crate::Value::from(self.as_str())
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                let text = <::std::string::String as $crate::serde::Deserialize>::deserialize(deserializer)?;
                Self::from_text(&text).ok_or_else(|| {
                    $crate::serde::de::Error::unknown_variant(&text, <Self as $crate::FieldType>::ALLOWED)
                })
            }
        }
    };
}
