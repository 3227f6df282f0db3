//! What to write in place of a parameter that is none of what a handler takes. A name that ends a path, and that is known,
//! chooses the advice, never the meaning: whether a type is a state or an extractor is decided by traits.

use proc_macro2::Ident;
use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeReference};

use super::{
    Kind,
    parameters::{spelled, ungrouped},
};

/// Extractors of axum, of socketioxide and of this crate, by the names that users know them by.
const EXTRACTORS: [&str; 41] = [
    "AckSender",
    "Bytes",
    "ConnectInfo",
    "CookieJar",
    "Cookies",
    "Data",
    "DisconnectReason",
    "Event",
    "Extension",
    "Form",
    "HeaderMap",
    "Host",
    "HttpExtension",
    "Json",
    "MatchedPath",
    "MaybeExtension",
    "MaybeHttpExtension",
    "Method",
    "Multipart",
    "Next",
    "OriginalUri",
    "Path",
    "PrivateCookieJar",
    "Query",
    "RawForm",
    "RawQuery",
    "Request",
    "Session",
    "SessionControl",
    "Sessions",
    "Shared",
    "SignedCookieJar",
    "SocketIo",
    "SocketRef",
    "State",
    "TransportType",
    "TryData",
    "TypedHeader",
    "Uri",
    "Version",
    "WebSocketUpgrade",
];

/// What users wrap a state in, and need not: the handler is lent the state itself.
const WRAPPERS: [&str; 15] = [
    "Arc",
    "Box",
    "Cow",
    "Mutex",
    "MutexGuard",
    "OnceCell",
    "Rc",
    "Ref",
    "RefCell",
    "RefMut",
    "Result",
    "RwLock",
    "RwLockReadGuard",
    "RwLockWriteGuard",
    "Weak",
];

/// Values of std's that are never a state.
const VALUES: [&str; 19] = [
    "BTreeMap", "HashMap", "HashSet", "Vec", "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8",
    "u128", "u16", "u32", "u64", "u8", "usize",
];

/// What is wrong with a parameter that the attribute names, if its type is known here.
pub(super) fn of_listed(name: &Ident, ty: &Type) -> Option<String> {
    let ty = ungrouped(ty);
    let (borrowed, mutable) = match ty {
        Type::Reference(reference) => (ungrouped(&reference.elem), reference.mutability.is_some()),
        ty => (ty, false),
    };
    let is_reference = matches!(ty, Type::Reference(_));
    if let Type::Tuple(tuple) = borrowed {
        return Some(of_tuple(name, tuple, mutable));
    }
    let segment = last_segment(borrowed)?;
    let known = segment.ident.to_string();
    // A state may be called as an extractor is; but it has no type parameters.
    let may_be_state = is_reference && segment.arguments.is_none();
    if EXTRACTORS.contains(&known.as_str()) && !may_be_state {
        let written = spelled(borrowed);
        return Some(if is_reference {
            format!(
                "`{known}` is an extractor, which is taken by value: write `{name}: {written}`, and leave `{name}` out of \
                 the attribute"
            )
        } else {
            format!("`{known}` is an extractor, and no session state: leave `{name}` out of the attribute")
        });
    }
    if WRAPPERS.contains(&known.as_str()) {
        let inner = state_inside(segment);
        return Some(format!(
            "a handler is lent the state itself, without `{known}`: write `{name}: &{inner}` to read it or `{name}: &mut \
             {inner}` to change it"
        ));
    }
    if known == "Option" && is_reference {
        return Some(of_option(name, segment, mutable));
    }
    None
}

/// The same for a reference that the attribute does not name.
pub(super) fn of_unlisted(
    kind: Kind,
    name: &str,
    reference: &TypeReference,
    full_list: &str,
) -> Option<String> {
    let borrowed = ungrouped(&reference.elem);
    if let Type::Slice(slice) = borrowed {
        return Some(owned(kind, name, &format!("Vec<{}>", spelled(&slice.elem))));
    }
    if matches!(borrowed, Type::Array(_) | Type::Tuple(_)) {
        return Some(owned(kind, name, &spelled(borrowed)));
    }
    let segment = last_segment(borrowed)?;
    let known = segment.ident.to_string();
    let written = spelled(borrowed);
    if EXTRACTORS.contains(&known.as_str()) {
        let own = if segment.arguments.is_none() {
            format!("; a `#[session_state]` of your own is named in the attribute: `{full_list}`")
        } else {
            String::new()
        };
        return Some(format!("an extractor is taken by value: write `{name}: {written}`{own}"));
    }
    match (known.as_str(), kind) {
        ("str" | "String", _) => Some(owned(kind, name, "String")),
        (known, _) if VALUES.contains(&known) => Some(owned(kind, name, &written)),
        ("Option", _)
            if first_type(segment)
                .and_then(word)
                .is_some_and(|word| word == "String" || VALUES.contains(&word.as_str())) =>
        {
            Some(owned(kind, name, &written))
        }
        ("Arc", _) => Some(format!(
            "only session state is a reference: what all handlers share is `State({name}): State<{written}>`; a state of the \
             session is written without `Arc`"
        )),
        _ => None,
    }
}

/// Of a reference to a value of std's, as clients send them.
fn owned(kind: Kind, name: &str, ty: &str) -> String {
    match kind {
        Kind::Http if ty == "String" => format!(
            "only session state is a reference: an extractor is owned, as `{name}: String` (the body) or `Path({name}): \
             Path<String>`"
        ),
        Kind::Http => format!(
            "only session state is a reference: an extractor is owned, as `Json({name}): Json<{ty}>`, `Path({name}): \
             Path<{ty}>` or `{name}: Bytes` (the body)"
        ),
        Kind::Socket | Kind::Connect | Kind::ConnectMiddleware => format!(
            "only session state is a reference: what the client sends is owned, as `Data({name}): Data<{ty}>`"
        ),
    }
}

fn of_tuple(name: &Ident, tuple: &syn::TypeTuple, mutable: bool) -> String {
    let mutability = if mutable { "mut " } else { "" };
    let each: Vec<_> = tuple
        .elems
        .iter()
        .enumerate()
        .map(|(index, ty)| {
            let ty = match ungrouped(ty) {
                Type::Reference(reference) => spelled(&reference.elem),
                ty => spelled(ty),
            };
            format!("`{name}{}: &{mutability}{ty}`", index + 1)
        })
        .collect();
    format!(
        "a state is one parameter: write one parameter for each, and name them all in the attribute: {}",
        each.join(", ")
    )
}

fn of_option(name: &Ident, segment: &PathSegment, mutable: bool) -> String {
    let inner = state_inside(segment);
    if mutable {
        format!(
            "a state that is changed is always there: write `{name}: &mut {inner}`, which starts from `{inner}::default()` \
             where nothing is stored"
        )
    } else {
        format!(
            "write `{name}: Option<&{inner}>` to see whether it is stored, or `{name}: &{inner}` to read it in any case"
        )
    }
}

/// `T` of `Arc<T>`, of `Option<&T>`, of `Arc<Mutex<T>>`, as it is spelled.
fn state_inside(segment: &PathSegment) -> String {
    let inner = match first_type(segment) {
        Some(Type::Reference(reference)) => ungrouped(&reference.elem),
        Some(ty) => ty,
        None => return String::from("T"),
    };
    match last_segment(inner) {
        Some(wrapper) if WRAPPERS.contains(&wrapper.ident.to_string().as_str()) => state_inside(wrapper),
        _ => spelled(inner),
    }
}

/// A state without the references and options around it.
pub(super) fn bare(ty: &Type) -> &Type {
    match ungrouped(ty) {
        Type::Reference(reference) => bare(&reference.elem),
        ty => match last_segment(ty) {
            Some(segment) if segment.ident == "Option" => first_type(segment).map_or(ty, bare),
            _ => ty,
        },
    }
}

/// `T` of `Option<T>`.
fn first_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ungrouped(ty)),
        _ => None,
    })
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Whether a state is called as an extractor is: traits decide which it is, and the words then are for an extractor.
pub(crate) fn is_called_as_an_extractor(ty: &Type) -> bool {
    word(ty).is_some_and(|word| EXTRACTORS.contains(&word.as_str()))
}

/// The name that ends a type's path.
pub(crate) fn word(ty: &Type) -> Option<String> {
    last_segment(ungrouped(ty)).map(|segment| segment.ident.to_string())
}
