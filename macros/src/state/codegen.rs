//! From a checked session state to its expansion, which cannot fail. `src/tests/expansions/session_state.rs` shows what
//! it expands to.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Attribute, Data, DeriveInput, LitStr, spanned::Spanned};

use super::{
    key,
    model::{Derives, Field, Refused, Serde, State},
};
use crate::tokens;

/// The expansion of a state without mistakes.
pub(super) fn expand(state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let name = &state.input.ident;
    let values = state.fields.iter().map(|field| field_value(field, krate));
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
    let compare = (!state.serde.reshapes).then(|| compare_fields(state, krate));
    let session_state = impl_session_state(name, &state.key, compare.as_ref(), krate);
    [structure(state, krate), default, session_state].into_iter().collect()
}

/// Compares field by field, each under the name by which it is stored.
fn compare_fields(state: &State, krate: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let fields = state.fields.iter().map(|Field { name, conditions, .. }| {
        let written = syn::ext::IdentExt::unraw(name).to_string();
        quote_spanned! {site=>
            #(#conditions)*
            __differences.field(
                #written,
                #krate::__private::Same(&__before.#name, &__after.#name).same(),
                &__before.#name,
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
    [structure(state, krate), default_stand_in(name), impl_session_state(name, &state.key, None, krate)]
        .into_iter()
        .collect()
}

/// Stands in for an item that cannot be a state, so that few other errors follow.
pub(super) fn refused_stand_in(refused: &Refused, krate: &TokenStream) -> TokenStream {
    let Refused { input, derives } = refused;
    if !input.generics.params.is_empty() || matches!(input.data, Data::Union(_)) {
        return input.to_token_stream();
    }
    let item = with_serde(input, derives, &Serde { default: true, ..Serde::default() }, krate);
    let default = if derives.default { TokenStream::new() } else { default_stand_in(&input.ident) };
    [item, default, impl_session_state(&input.ident, &key::from_name(&input.ident), None, krate)]
        .into_iter()
        .collect()
}

fn structure(state: &State, krate: &TokenStream) -> TokenStream {
    with_serde(&state.input, &state.derives, &state.serde, krate)
}

/// The user's item, with what serde needs and the user did not write. The derives come first: an attribute of a derive
/// must not precede it.
fn with_serde(input: &DeriveInput, derives: &Derives, serde: &Serde, krate: &TokenStream) -> TokenStream {
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

fn field_value(field: &Field, krate: &TokenStream) -> TokenStream {
    let Field { name, ty, conditions, default } = field;
    let value = if let Some(expression) = default {
        expression.to_token_stream()
    } else {
        // At the field's type, so that a missing `Default` is reported there.
        let site = ty.span().resolved_at(Span::mixed_site());
        let krate = tokens::respanned(krate, site);
        quote_spanned!(site=> <#ty as #krate::__private::FirstValue>::first_value())
    };
    quote_spanned!(Span::mixed_site()=> #(#conditions)* #name: #value)
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
    compare: Option<&TokenStream>,
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

            fn duplicate(&self) -> ::core::option::Option<Self> {
                #[allow(unused_imports)]
                use #krate::__private::{ViaClone as _, ViaNothing as _};
                #krate::__private::Duplicate(self).duplicate()
            }

            #compare
        }
    }
}
