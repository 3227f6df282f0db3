//! What stands in for a handler with mistakes, so that no other error follows where it is registered: a handler of its name
//! that takes what its generics are known by, and nothing else, with the user's function inside, where an editor keeps
//! completing.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{FnArg, ReturnType, Signature, Type};

use crate::{
    model::{Extractor, Function, Handler, Kind, Parameter, Role, SortedAttribute, advice, sorted},
    tokens,
};

/// The expansion of a handler that has the name, the generics and the visibility of this function.
pub(crate) fn stand_in(kind: Kind, function: &Function, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let Function { attributes, vis, signature, body } = function;
    if signature.receiver().is_some() {
        // It can stand in an `impl` alone.
        let item = quote_spanned!(site=> #(#attributes)* #vis #signature #body);
        return item;
    }
    let attributes = sorted(attributes.clone());
    let kept = |roles: &[Role]| -> Vec<SortedAttribute> {
        attributes.iter().filter(|sorted| roles.contains(&sorted.role)).cloned().collect()
    };
    let user = has_body(body).then(|| {
        quote_spanned! {site=>
            #[allow(warnings)]
            #signature
            #body
        }
    });
    let body = quote_spanned!(site=> { #user ::core::unreachable!() });
    let handler = Handler {
        attributes: kept(&[Role::Condition, Role::Item, Role::Lint]),
        vis: vis.clone(),
        signature: bare(kind, signature),
        body,
        parameters: parameters(kind, signature, krate),
    };
    let handler = with_parameters(handler);
    super::expand(kind, &handler, krate)
}

/// The same for a function that does not parse, as while it is typed: all that is known is its name.
pub(crate) fn stand_in_for_half_typed(
    kind: Kind,
    item: &TokenStream,
    krate: &TokenStream,
) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let vis: TokenStream = item.clone().into_iter().take_while(|token| !is_qualifier(token)).collect();
    let mut name = item.clone().into_iter().skip_while(|token| token.to_string() != "fn").skip(1);
    let name = tokens::single_ident(&name.next()?.into())?;
    let signature = syn::parse2(quote_spanned!(site=> async fn #name())).ok()?;
    let vis = syn::parse2(vis).unwrap_or(syn::Visibility::Inherited);
    let function = Function { attributes: Vec::new(), vis, signature, body: quote_spanned!(site=> {}) };
    Some(stand_in(kind, &function, krate))
}

fn is_qualifier(token: &TokenTree) -> bool {
    ["async", "const", "extern", "fn", "unsafe"].contains(&token.to_string().as_str())
}

/// `async fn name<..>()`, which returns what any handler of the kind may.
fn bare(kind: Kind, signature: &Signature) -> Signature {
    let site = Span::mixed_site();
    let output = match kind {
        Kind::ConnectMiddleware => {
            syn::parse_quote_spanned!(site=> -> ::core::result::Result<(), &'static ::core::primitive::str>)
        }
        Kind::Http | Kind::Socket | Kind::Connect => ReturnType::Default,
    };
    let generics = match kind {
        Kind::Connect => syn::Generics::default(),
        _ => signature.generics.clone(),
    };
    Signature {
        constness: None,
        asyncness: Some(syn::Token![async](site)),
        unsafety: None,
        abi: None,
        fn_token: signature.fn_token,
        ident: signature.ident.clone(),
        generics,
        paren_token: signature.paren_token,
        inputs: syn::punctuated::Punctuated::new(),
        variadic: None,
        output,
    }
}

fn parameters(kind: Kind, signature: &Signature, krate: &TokenStream) -> Vec<Parameter> {
    let types = match middleware_parameters(kind, signature, krate) {
        Some(types) => types,
        None if kind == Kind::Connect => Vec::new(),
        None => generic_parameters(signature),
    };
    let extractor = |ty| Parameter::Extractor(Extractor { name: None, ty, conditions: Vec::new() });
    types.into_iter().map(extractor).collect()
}

/// The types by which the compiler knows the function's generics where it is registered.
fn generic_parameters(signature: &Signature) -> Vec<Type> {
    let types = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(&*parameter.ty),
        FnArg::Receiver(_) => None,
    });
    let names: Vec<_> = signature.generics.type_params().map(|parameter| &parameter.ident).collect();
    let is_generic = |ty: &&Type| {
        let ty = ty.to_token_stream();
        !tokens::contain_borrow(ty.clone()) && names.iter().any(|name| tokens::mentions(&ty, name))
    };
    types.filter(is_generic).cloned().collect()
}

/// `from_fn` takes functions whose last parameters are a request and what is `Next`.
fn middleware_parameters(kind: Kind, signature: &Signature, krate: &TokenStream) -> Option<Vec<Type>> {
    let site = Span::mixed_site();
    let Some(FnArg::Typed(last)) = signature.inputs.last() else { return None };
    if kind != Kind::Http || advice::word(&last.ty).is_none_or(|word| word != "Next") {
        return None;
    }
    let request = syn::parse_quote_spanned!(site=> #krate::__private::http::Request);
    Some(vec![request, (*last.ty).clone()])
}

/// The user's function takes what the wrapper passes on.
fn with_parameters(mut handler: Handler) -> Handler {
    let types: Vec<_> = handler.extractors().map(|extractor| extractor.ty.clone()).collect();
    handler.signature.inputs = types
        .into_iter()
        .map(|ty| -> FnArg { syn::parse_quote_spanned!(Span::mixed_site()=> _: #ty) })
        .collect();
    handler
}

fn has_body(body: &TokenStream) -> bool {
    let semicolon = tokens::split_at_commas(body.clone());
    semicolon.first().is_some_and(|part| part.to_token_stream().to_string() != ";")
}
