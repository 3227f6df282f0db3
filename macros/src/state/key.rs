//! The key under which a state is stored.

use proc_macro2::Ident;
use syn::ext::IdentExt;

/// Keys that begin like this are the runtime's own.
pub(super) const RESERVED: &str = "socketioxide-session";

/// The struct's name in `snake_case`. A word begins at a capital that follows a small letter or a digit,
/// and at the last capital of several if a small letter follows it.
pub(super) fn from_name(name: &Ident) -> String {
    let name: Vec<char> = name.unraw().to_string().chars().collect();
    let mut key = String::new();
    for (index, character) in name.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| name.get(before));
        let after = name.get(index + 1);
        let starts_word = character.is_uppercase()
            && before.is_some_and(|before| {
                let ends_acronym = before.is_uppercase() && after.is_some_and(|after| after.is_lowercase());
                before.is_lowercase() || before.is_numeric() || ends_acronym
            });
        if starts_word {
            key.push('_');
        }
        key.extend(character.to_lowercase());
    }
    key
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn words_are_told_apart() {
        for (name, key) in [
            ("User", "user"),
            ("ShoppingCart", "shopping_cart"),
            ("HTTPState", "http_state"),
            ("UserV2", "user_v2"),
            ("V2User", "v2_user"),
            ("Utf8Data", "utf8_data"),
            ("ID", "id"),
            ("UserID", "user_id"),
            ("XYZ2Foo", "xyz2_foo"),
            ("A", "a"),
            ("ABc", "a_bc"),
            ("Snake_Case", "snake_case"),
            ("_Private", "_private"),
            ("already_snake", "already_snake"),
            ("ÄrgerÜbung", "ärger_übung"),
        ] {
            assert_eq!(from_name(&Ident::new(name, Span::call_site())), key, "{name}");
        }
        assert_eq!(from_name(&Ident::new_raw("Type", Span::call_site())), "type");
    }
}
