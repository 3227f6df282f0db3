//! From a checked session state to its expansion, which cannot fail. `src/tests/expansions/session_state.rs` shows what
//! it expands to.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Attribute, Data, DeriveInput, LitStr, spanned::Spanned};

use super::{
    key,
    model::{Derives, Field, Refused, Serde, State, reference_in},
};
use crate::tokens;

/// The expansion of a state without mistakes.
pub(super) fn expand(state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let name = &state.input.ident;
    let values = state.fields.iter().enumerate().map(|(index, field)| {
        let Field { name, conditions, .. } = field;
        let value = first_value(index, field, state, krate);
        quote_spanned!(site=> #(#conditions)* #name: #value)
    });
    let allow = allow_deprecated(state);
    let default = quote_spanned! {site=>
        #[automatically_derived]
        #allow
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#values,)* }
            }
        }
    };
    let members = members(state, krate);
    let session_state = impl_session_state(name, &state.key, &members, krate);
    let live = state.emit.as_ref().map(|event| impl_live_state(name, event, state, krate));
    let (asks, known, structure) = (asks(state, krate), known_fields(state, krate), structure(state, krate));
    // What is asked comes first, so that it is the first that is heard.
    quote_spanned! {site=>
        #asks
        const _: () = {
            #known
            #default
            #session_state
            #live
        };
        #structure
    }
}

/// Asks of each field, at its own type, whether threads can share it. Before all else, so that it is the first that is heard.
fn asks(state: &State, krate: &TokenStream) -> TokenStream {
    let fields =
        state.fields.iter().enumerate().filter(|(_, field)| !names_itself(field)).map(|(index, field)| {
            let Field { ty, conditions, .. } = field;
            let site = ty.span().resolved_at(Span::mixed_site());
            let name = quote::format_ident!("__field{index}", span = Span::mixed_site());
            let krate = tokens::respanned(krate, site);
            let owned = quote_spanned!(site=> #ty: #krate::__private::Owned);
            quote_spanned!(Span::mixed_site()=> #(#conditions)* fn #name() where #owned {})
        });
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() {
        return TokenStream::new();
    }
    quote_spanned! {Span::mixed_site()=>
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        const _: () = {
            #(#fields)*
        };
    }
}

/// An alias of each field's type, in which it is asked whether it can be stored. What cannot is reported there, once and at the
/// user's type: the alias is an error then, and so is, without a word, what is made with it. Where serde attributes say how it is
/// stored, nothing is asked, and nothing made.
fn known_fields(state: &State, krate: &TokenStream) -> TokenStream {
    if state.serde.reshapes.is_some() {
        return TokenStream::new();
    }
    let aliases =
        state.fields.iter().enumerate().filter(|(_, field)| !names_itself(field)).map(|(index, field)| {
            let Field { ty, conditions, .. } = field;
            let site = ty.span().resolved_at(Span::mixed_site());
            let krate = tokens::respanned(krate, site);
            let private = quote_spanned!(site=> #krate::__private);
            let alias = known_type(index, field);
            quote_spanned! {site=>
                #(#conditions)*
                type #alias = <#private::Known<{ #private::is_stored::<#ty>() }> as #private::As<#ty>>::Type;
            }
        });
    aliases.collect()
}

/// The alias of a field's type. One that names the state by `Self` has none.
fn known_type(index: usize, field: &Field) -> TokenStream {
    if names_itself(field) {
        return field.ty.to_token_stream();
    }
    quote::format_ident!("__Field{index}", span = Span::mixed_site()).into_token_stream()
}

fn names_itself(field: &Field) -> bool {
    tokens::mentions(&field.ty.to_token_stream(), &syn::Ident::new("Self", Span::call_site()))
}

/// That the state is pushed, and without which fields.
fn impl_live_state(name: &syn::Ident, event: &LitStr, state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let server_only = state.fields.iter().filter(|field| field.server_only.is_some());
    let hidden = server_only.map(|Field { names, conditions, .. }| {
        let written = &names[..1];
        quote_spanned!(site=> #(#conditions)* #(#written)*)
    });
    quote_spanned! {site=>
        #[automatically_derived]
        impl #krate::LiveState for #name {
            const EVENT: &'static str = #event;
            const SERVER_ONLY: &'static [&'static str] = &[#(#hidden),*];
        }
    }
}

/// What is known of the fields of a state: how they live, are read and are compared, each under the name by which it is stored;
/// and other names of theirs. Where serde attributes say more than names, serde does all of it.
fn members(state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let renamed = state.fields.iter().filter(|field| field.names.len() > 1).map(
        |Field { names, conditions, .. }| {
            let (name, aliases) = (&names[..1], &names[1..]);
            quote_spanned!(site=> #(#conditions)* (#(#name)*, &[#(#aliases),*]))
        },
    );
    let renamed: Vec<_> = renamed.collect();
    let aliases = (!renamed.is_empty()).then(|| {
        quote_spanned! {site=>
            const ALIASES: &'static [(&'static str, &'static [&'static str])] = &[#(#renamed),*];
        }
    });
    let begins_anew = state.begins_anew.then(|| quote_spanned!(site=> const BEGINS_ANEW: bool = true;));
    let is_live = state.emit.as_ref().map(|_| quote_spanned!(site=> const IS_LIVE: bool = true;));
    if state.serde.reshapes.is_some() {
        return [aliases, begins_anew, is_live].into_iter().flatten().collect();
    }
    let lives = lives(state, krate);
    let read = read_fields(state, krate);
    let compare = compare_fields(state, krate);
    [aliases, begins_anew, is_live, Some(lives), Some(read), Some(compare)].into_iter().flatten().collect()
}

/// Whether all fields are exact.
fn lives(state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let fields = state.fields.iter().map(|Field { ty, conditions, .. }| {
        quote_spanned!(site=> #(#conditions)* { __exact &= #krate::__private::Exactness::<#ty>::IS_EXACT; })
    });
    quote_spanned! {site=>
        const LIVES: #krate::__private::Lives = {
            #[allow(unused_imports)]
            use #krate::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            #(#fields)*
            #krate::__private::Lives::by_field(__exact)
        };
    }
}

fn read_fields(state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let fields = state.fields.iter().enumerate().map(|(index, field)| {
        let Field { name, conditions, names, .. } = field;
        let (known, first) = (known_type(index, field), first_value(index, field, state, krate));
        quote_spanned! {site=>
            #(#conditions)*
            #name: __reading.field::<#known>(
                &[#(#names),*],
                |__state| #krate::__private::Copied(&__state.#name).copied(),
                || #first,
            )?
        }
    });
    quote_spanned! {site=>
        // What lints have to say of first values they say where `Default` is implemented.
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        fn read(
            __reading: &#krate::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, #krate::Error> {
            use #krate::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self { #(#fields,)* })
        }
    }
}

/// Compares field by field, each under the name by which it is stored.
fn compare_fields(state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let fields = state.fields.iter().enumerate().map(|(index, field)| {
        let Field { name, conditions, names, .. } = field;
        let (known, written) = (known_type(index, field), &names[..1]);
        quote_spanned! {site=>
            #(#conditions)*
            __differences.field::<#known>(
                #(#written)*,
                #krate::__private::Same(&__before.#name, &__after.#name).same(),
                &__after.#name,
            )?;
        }
    });
    quote_spanned! {site=>
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut #krate::__private::Differences,
        ) -> ::core::result::Result<(), #krate::Error> {
            #[allow(unused_imports)]
            use #krate::__private::{ByExact as _, ByNothing as _};
            #(#fields)*
            ::core::result::Result::Ok(())
        }
    }
}

/// Stands in for a state whose attribute has a mistake, so that no other error follows: a state without its defaults.
pub(super) fn state_stand_in(state: &State, krate: &TokenStream) -> TokenStream {
    let name = &state.input.ident;
    let live = state.emit.as_ref().map(|event| impl_live_state(name, event, state, krate));
    let default = if state.has_default { TokenStream::new() } else { default_stand_in(name) };
    let mut input = state.input.clone();
    leave_out_references(&mut input);
    [
        with_serde(&input, &state.derives, &state.serde, krate),
        default,
        impl_session_state(name, &state.key, &TokenStream::new(), krate),
        live.unwrap_or_default(),
    ]
    .into_iter()
    .collect()
}

/// Fields that hold references cannot be read, which has been reported.
fn leave_out_references(input: &mut DeriveInput) {
    let Data::Struct(data) = &mut input.data else { return };
    for field in data.fields.iter_mut().filter(|field| reference_in(&field.ty).is_some()) {
        field.attrs.push(syn::parse_quote_spanned!(Span::mixed_site()=> #[serde(skip)]));
    }
}

/// Stands in for an item that cannot be a state, so that few other errors follow.
pub(super) fn refused_stand_in(refused: &Refused, krate: &TokenStream) -> TokenStream {
    let Refused { input, derives } = refused;
    if !input.generics.params.is_empty() || matches!(input.data, Data::Union(_)) {
        return input.to_token_stream();
    }
    let item = with_serde(input, derives, &Serde { default: true, ..Serde::default() }, krate);
    let default = if derives.default { TokenStream::new() } else { default_stand_in(&input.ident) };
    [
        item,
        default,
        impl_session_state(&input.ident, &key::from_name(&input.ident), &TokenStream::new(), krate),
    ]
    .into_iter()
    .collect()
}

fn structure(state: &State, krate: &TokenStream) -> TokenStream {
    with_serde(&state.input, &state.derives, &state.serde, krate)
}

/// The user's item, with what serde needs and the user did not write. The derives come first: an attribute of a derive
/// must not precede it.
pub(crate) fn with_serde(
    input: &DeriveInput,
    derives: &Derives,
    serde: &Serde,
    krate: &TokenStream,
) -> TokenStream {
    let site = Span::mixed_site();
    let mut missing = Vec::new();
    if !derives.serialize {
        missing.push(quote_spanned!(site=> #krate::__private::serde::Serialize));
    }
    if !derives.deserialize {
        missing.push(quote_spanned!(site=> #krate::__private::serde::Deserialize));
    }
    let derive = (!missing.is_empty()).then(|| quote_spanned!(site=> #[derive(#(#missing),*)]));
    let path = LitStr::new(&format!("{krate}::__private::serde").replace(' ', ""), site);
    let serde_crate =
        (!missing.is_empty() && !serde.krate).then(|| quote_spanned!(site=> #[serde(crate = #path)]));
    let serde_default = (!serde.default).then(|| quote_spanned!(site=> #[serde(default)]));

    let attributes = &input.attrs;
    let item = DeriveInput { attrs: Vec::new(), ..input.clone() };
    quote_spanned! {site=>
        #derive
        #(#attributes)*
        #serde_crate
        #serde_default
        #item
    }
}

fn first_value(index: usize, field: &Field, state: &State, krate: &TokenStream) -> TokenStream {
    let Field { ty, default, .. } = field;
    if let Some(expression) = default {
        return expression.to_token_stream();
    }
    // At the field's type, so that a missing `Default` is reported there; not of one that cannot be stored.
    let site = ty.span().resolved_at(Span::mixed_site());
    let krate = tokens::respanned(krate, site);
    let ty = if state.serde.reshapes.is_some() { ty.to_token_stream() } else { known_type(index, field) };
    let ty = tokens::respanned(&ty, site);
    quote_spanned!(site=> <#ty as #krate::__private::FirstValue>::first_value())
}

/// `Default` names every field, deprecated ones too.
fn allow_deprecated(state: &State) -> Option<TokenStream> {
    let fields = match &state.input.data {
        Data::Struct(data) => data.fields.iter().flat_map(|field| field.attrs.iter()).collect(),
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    let is_deprecated = |attribute: &&Attribute| attribute.path().is_ident("deprecated");
    let deprecated = state.input.attrs.iter().chain(fields).any(|attribute| is_deprecated(&attribute));
    deprecated.then(|| quote_spanned!(Span::mixed_site()=> #[allow(deprecated)]))
}

fn default_stand_in(name: &syn::Ident) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> Self {
                ::core::unreachable!()
            }
        }
    }
}

fn impl_session_state(
    name: &syn::Ident,
    key: &str,
    members: &TokenStream,
    krate: &TokenStream,
) -> TokenStream {
    let site = Span::mixed_site();
    let written = syn::ext::IdentExt::unraw(name).to_string();
    // At the user's name, because the bounds of `SessionState` are checked here.
    let name_site = name.span().resolved_at(site);
    let trait_path = tokens::respanned(krate, name_site);
    let trait_path = quote_spanned!(name_site=> #trait_path::SessionState);
    quote_spanned! {site=>
        #[allow(deprecated)]
        impl #trait_path for #name {
            const KEY: &'static str = #key;
            const NAME: &'static str = #written;

            #members
        }
    }
}
