//! Asks of an extractor, at its own type, whether it is one: the runtime's `asks` answers. What its name looks like chooses
//! the words of a refusal.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{GenericArgument, PathArguments, Type};

use super::expansion::site_of;
use crate::{
    model::{Extractor, Kind, advice, parameters::ungrouped},
    tokens,
};

/// `None`: its type cannot be named here.
///
/// `next`: the type of the one behind it that is there whatever the configuration.
pub(super) fn ask(
    kind: Kind,
    next: Option<&Type>,
    extractor: &Extractor,
    private: &TokenStream,
) -> Option<TokenStream> {
    let Extractor { ty, conditions, .. } = extractor;
    if is_hidden(ty) {
        return None;
    }
    let site = site_of(ty);
    let asks = {
        let private = tokens::respanned(private, site);
        quote_spanned!(site=> #private::asks)
    };
    let place = match (kind, next) {
        (Kind::Http, Some(next)) => {
            let next = if is_hidden(next) {
                quote_spanned!(site=> ::core::convert::Infallible)
            } else {
                next.to_token_stream()
            };
            quote_spanned!(site=> HttpParts<#next>)
        }
        (Kind::Http, None) => quote_spanned!(site=> HttpLast),
        (Kind::Socket, Some(_)) => quote_spanned!(site=> SocketParts),
        (Kind::Socket, None) => quote_spanned!(site=> SocketLast),
        (Kind::Connect | Kind::ConnectMiddleware, _) => quote_spanned!(site=> Connect),
    };
    let looks = looks(kind, ty, &asks);
    Some(quote_spanned! {site=>
        #(#conditions)*
        (&&&&&&&#asks::Asked::<#asks::#place, #ty, #looks>::new()).ask();
    })
}

/// Asks of one of several extractors whether it can be beside the others.
pub(super) fn ask_beside(
    kind: Kind,
    extractors: &[&Extractor],
    index: usize,
    private: &TokenStream,
) -> Option<TokenStream> {
    let Extractor { ty, conditions, .. } = extractors.get(index)?;
    let site = site_of(ty);
    let asks = {
        let private = tokens::respanned(private, site);
        quote_spanned!(site=> #private::asks)
    };
    let place = match advice::word(ty).as_deref() {
        Some("Next") if kind == Kind::Http && !is_behind_request(extractors, index) => {
            quote_spanned!(site=> StrayNext)
        }
        Some("Data" | "TryData" | "AckSender") if kind == Kind::Socket => {
            let reason = extractors
                .iter()
                .map(|extractor| &extractor.ty)
                .find(|ty| advice::word(ty).is_some_and(|word| word == "DisconnectReason"))?;
            quote_spanned!(site=> BesideReason<#reason>)
        }
        _ => return None,
    };
    Some(quote_spanned! {site=>
        #(#conditions)*
        (&&&&&&&#asks::Asked::<#asks::#place, #ty, #asks::Unknown>::new()).ask();
    })
}

/// Whether it is the last one, and behind one that may be the request: not behind what only looks at the request.
fn is_behind_request(extractors: &[&Extractor], index: usize) -> bool {
    const ONLY_LOOK: [&str; 15] = [
        "ConnectInfo",
        "CookieJar",
        "Extension",
        "HeaderMap",
        "Host",
        "MatchedPath",
        "Method",
        "OriginalUri",
        "Path",
        "Query",
        "Session",
        "SessionControl",
        "Shared",
        "State",
        "Uri",
    ];
    let before = index.checked_sub(1).and_then(|before| extractors.get(before));
    let may_be = before.is_some_and(|before| {
        advice::word(&before.ty).is_none_or(|word| !ONLY_LOOK.contains(&word.as_str()))
    });
    may_be && index + 1 == extractors.len()
}

/// Whether a type is called as what is no extractor of this side, or may be none. Of others their own name stands in the
/// signature, which documentation shows.
pub(super) fn is_doubtful(kind: Kind, ty: &Type) -> bool {
    if is_hidden(ty) {
        return false;
    }
    let word = advice::word(ty).unwrap_or_default();
    let is_std = match inside_first(ty) {
        Some(inside) if word == "Option" => is_of_std(inside, &advice::word(inside).unwrap_or_default()),
        _ => is_of_std(ty, &word),
    };
    match kind {
        Kind::Http => {
            const OF_SOCKETS: [&str; 6] =
                ["AckSender", "Data", "DisconnectReason", "SocketIo", "SocketRef", "TryData"];
            is_answer(&word) || OF_SOCKETS.contains(&word.as_str()) || is_std && word != "String"
        }
        // A constant has the types in a place that nobody is shown.
        Kind::Connect => true,
        Kind::Socket | Kind::ConnectMiddleware => {
            is_of_axum(&word) || word == "Session" || is_std && word != "SocketIo"
        }
    }
}

/// What handlers answer with.
fn is_answer(word: &str) -> bool {
    ["StatusCode", "Redirect", "Response", "Html"].contains(&word)
}

/// An extractor of axum's, or another type of a request.
fn is_of_axum(word: &str) -> bool {
    const NAMES: [&str; 25] = [
        "Bytes",
        "ConnectInfo",
        "CookieJar",
        "Cookies",
        "Form",
        "HeaderMap",
        "Host",
        "Json",
        "MatchedPath",
        "Method",
        "Multipart",
        "Next",
        "OriginalUri",
        "Parts",
        "Path",
        "PrivateCookieJar",
        "Query",
        "RawForm",
        "RawQuery",
        "Request",
        "SignedCookieJar",
        "TypedHeader",
        "Uri",
        "Version",
        "WebSocketUpgrade",
    ];
    NAMES.contains(&word)
}

/// Whether only the compiler knows the type: `impl Trait`.
fn is_hidden(ty: &Type) -> bool {
    tokens::mentions(&ty.to_token_stream(), &syn::Ident::new("impl", Span::call_site()))
}

/// What a type's name looks like.
fn looks(kind: Kind, ty: &Type, asks: &TokenStream) -> TokenStream {
    let site = site_of(ty);
    let word = advice::word(ty).unwrap_or_default();
    let is_http = kind == Kind::Http;
    match word.as_str() {
        "Data" | "TryData" => of_what(ty, "Reads", asks),
        "Json" | "Form" | "Query" | "Path" if is_http => of_what(ty, "Reads", asks),
        "Shared" => of_what(ty, "Shares", asks),
        word if is_of_axum(word) => quote_spanned!(site=> #asks::OfAxum),
        word if is_http && is_answer(word) => quote_spanned!(site=> #asks::OfAnswers),
        // What there need not be, or may fail.
        "Option" | "Result" if inside_first(ty).is_some_and(|ty| reads(ty, is_http)) => {
            inside_first(ty).map_or_else(TokenStream::new, |ty| looks(kind, ty, asks))
        }
        "State" | "Extension" => quote_spanned!(site=> #asks::OfState),
        "Session" => quote_spanned!(site=> #asks::OfSession),
        "Option" if inside(ty).is_some_and(|ty| is_of_std(ty, &advice::word(ty).unwrap_or_default())) => {
            quote_spanned!(site=> #asks::OfStd)
        }
        _ if is_of_std(ty, &word) => quote_spanned!(site=> #asks::OfStd),
        _ => quote_spanned!(site=> #asks::Unknown),
    }
}

fn of_what(ty: &Type, how: &str, asks: &TokenStream) -> TokenStream {
    let site = site_of(ty);
    let how = syn::Ident::new(how, site);
    inside(ty).map_or_else(
        || quote_spanned!(site=> #asks::Unknown),
        |inside| quote_spanned!(site=> #asks::#how<#inside>),
    )
}

/// Whether it reads what it holds.
fn reads(ty: &Type, is_http: bool) -> bool {
    let word = advice::word(ty).unwrap_or_default();
    if is_http { ["Json", "Form", "Query", "Path"].contains(&word.as_str()) } else { word == "Data" }
}

/// `T` of `Result<T, E>`.
fn inside_first(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}

fn inside(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

fn is_of_std(ty: &Type, word: &str) -> bool {
    const NAMES: [&str; 27] = [
        "Arc", "BTreeMap", "BTreeSet", "Box", "HashMap", "HashSet", "Mutex", "Rc", "RwLock", "SocketIo",
        "String", "Vec", "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "u128",
        "u16", "u32", "u64", "u8",
    ];
    matches!(ungrouped(ty), Type::Tuple(_) | Type::Array(_)) || NAMES.contains(&word) || word == "usize"
}
