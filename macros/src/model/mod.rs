//! A handler whose signature has been checked: all that code generation needs to know.

pub(crate) mod advice;
mod attributes;
mod function;
pub(crate) mod parameters;
mod signature;

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, ReturnType, Signature, Type, Visibility};

pub(crate) use self::{
    attributes::{Role, SortedAttribute, sort as sorted},
    function::Function,
};
use crate::{args::Names, diagnostics::Diagnostics};

/// The handler attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Socket,
    Connect,
    ConnectMiddleware,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Http, Self::Socket, Self::Connect, Self::ConnectMiddleware];

    /// The handler attribute that this path is, by its last segment.
    fn named(path: &syn::Path) -> Option<Self> {
        let last = &path.segments.last()?.ident;
        Self::ALL.into_iter().find(|kind| last == kind.attribute())
    }

    /// The attribute's name, as users write it.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Http => "http_handler",
            Self::Socket => "socket_handler",
            Self::Connect => "connect_handler",
            Self::ConnectMiddleware => "connect_middleware",
        }
    }
}

/// A checked handler.
pub(crate) struct Handler {
    pub(crate) attributes: Vec<SortedAttribute>,
    pub(crate) vis: Visibility,
    /// The user's signature, unchanged.
    pub(crate) signature: Signature,
    /// The user's body with its braces, unread.
    pub(crate) body: TokenStream,
    /// In the order of the signature.
    pub(crate) parameters: Vec<Parameter>,
}

/// What one parameter is.
pub(crate) enum Parameter {
    State(State),
    Extractor(Extractor),
}

/// A parameter that is session state.
pub(crate) struct State {
    pub(crate) name: Ident,
    pub(crate) access: Access,
    pub(crate) ty: Type,
}

/// What a handler does to a state.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    /// `&mut T`
    Write,
    /// `&T`
    Read,
    /// `Option<&T>`
    Maybe,
}

/// Any other parameter.
pub(crate) struct Extractor {
    /// What the user calls it, if that is one name.
    pub(crate) name: Option<Ident>,
    pub(crate) ty: Type,
    /// The parameter's `#[cfg]` and `#[cfg_attr]`: they hold for the wrapper's parameter, too.
    pub(crate) conditions: Vec<Attribute>,
}

impl Handler {
    /// Checks a function. Use what this returns only if no mistake was reported.
    pub(crate) fn check(kind: Kind, names: &Names, function: Function, diagnostics: &Diagnostics) -> Self {
        signature::check(kind, &function, diagnostics);
        let parameters = parameters::check(kind, names, &function.signature, diagnostics);
        if kind == Kind::Connect {
            signature::check_states_of_connect(&function.signature, &parameters, diagnostics);
        }
        Self {
            attributes: attributes::sort(function.attributes),
            vis: function.vis,
            signature: function.signature,
            body: function.body,
            parameters,
        }
    }

    /// The states, in the order of the signature.
    pub(crate) fn states(&self) -> impl Iterator<Item = &State> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::State(state) => Some(state),
            Parameter::Extractor(_) => None,
        })
    }

    /// The extractors, in the order of the signature.
    pub(crate) fn extractors(&self) -> impl Iterator<Item = &Extractor> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Extractor(extractor) => Some(extractor),
            Parameter::State(_) => None,
        })
    }

    /// The attributes with one of these roles.
    pub(crate) fn attributes_with(&self, roles: &[Role]) -> Vec<&Attribute> {
        let sorted = self.attributes.iter().filter(|sorted| roles.contains(&sorted.role));
        sorted.map(|sorted| &sorted.attribute).collect()
    }

    /// The type that the user's function returns, if it says one.
    pub(crate) fn returns(&self) -> Option<&Type> {
        match &self.signature.output {
            ReturnType::Type(_, ty) => Some(ty),
            ReturnType::Default => None,
        }
    }
}
