//! The pieces that the expansions of all handler attributes share.
//!
//! Local names are hygienic, and begin with `__` because a constant or a unit struct of the user's by the
//! same name would turn a binding into a pattern.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{GenericParam, Generics, spanned::Spanned};

use crate::{
    codegen::asks,
    model::{Access, Handler, Kind, Parameter, Role, State, advice},
    tokens,
};

/// More parameters than these are too many for clippy.
const CLIPPY_MAX_PARAMETERS: usize = 7;

/// A handler with the paths that its expansion names.
pub(super) struct Expansion<'a> {
    pub(super) handler: &'a Handler,
    /// `::socketioxide_session::__private`
    pub(super) private: TokenStream,
    krate: &'a TokenStream,
    kind: Kind,
}

impl<'a> Expansion<'a> {
    pub(super) fn new(kind: Kind, handler: &'a Handler, krate: &'a TokenStream) -> Self {
        let private = quote_spanned!(Span::mixed_site()=> #krate::__private);
        Self { handler, private, krate, kind }
    }

    /// The path of the runtime's `__private`, for an error that belongs at this place.
    pub(super) fn private_at(&self, site: Span) -> TokenStream {
        tokens::respanned(&self.private, site)
    }

    /// What the log calls the handler: its path, for handlers of one name stand in many modules.
    pub(super) fn handler_path(&self) -> TokenStream {
        let name = self.handler.signature.ident.to_string();
        quote_spanned!(Span::mixed_site()=> ::core::concat!(::core::module_path!(), "::", #name))
    }

    /// The attributes that stay with what users name.
    fn outer_attributes(&self) -> Vec<&syn::Attribute> {
        self.handler.attributes_with(&[
            Role::Condition,
            Role::Item,
            Role::Lint,
            Role::Expectation,
            Role::Other,
        ])
    }

    /// The runtime's type for all the states of a call, as a signature shows it: `(Write<User>, Read<Cart>,)`.
    pub(super) fn states_type(&self) -> TokenStream {
        let types = self.handler.states().map(|state| {
            let (access, ty) = (self.access_type(state), &state.ty);
            quote_spanned!(site_of(ty)=> #access<#ty>)
        });
        quote_spanned!(Span::mixed_site()=> (#(#types,)*))
    }

    /// The same, of which the compiler knows whether they are states: see [`known_states`](Self::known_states).
    pub(super) fn known_states_type(&self) -> TokenStream {
        let types = self.handler.states().enumerate().map(|(index, state)| {
            let (access, ty) = (self.access_type(state), self.known_type(index, state));
            quote_spanned!(site_of(&state.ty)=> #access<#ty>)
        });
        quote_spanned!(Span::mixed_site()=> (#(#types,)*))
    }

    /// An alias of each state's type, in which it is asked whether it is one. What is none is reported there, once and at the
    /// user's type: the alias is an error then, and so is, without a word, what is made with it.
    pub(super) fn known_states(&self) -> TokenStream {
        let aliases = self.handler.states().enumerate().filter(|(_, state)| !self.is_generic(state)).map(
            |(index, state)| {
                let (site, ty) = (site_of(&state.ty), &state.ty);
                let (private, alias) = (self.private_at(site), self.known_type(index, state));
                let question = if advice::is_called_as_an_extractor(ty) {
                    quote_spanned!(site=> is_no_extractor)
                } else {
                    quote_spanned!(site=> is_state)
                };
                quote_spanned! {site=>
                    type #alias = <#private::Known<{ #private::#question::<#ty>() }> as #private::As<#ty>>::Type;
                }
            },
        );
        aliases.collect()
    }

    /// The alias of a state's type. An alias inside of a function cannot name the function's own generics.
    fn known_type(&self, index: usize, state: &State) -> TokenStream {
        if self.is_generic(state) {
            return state.ty.to_token_stream();
        }
        format_ident!("__State{index}", span = Span::mixed_site()).into_token_stream()
    }

    /// `T: SessionState` for each state that is generic: what is missing is reported at the user's type.
    pub(super) fn state_predicates(&self) -> Vec<TokenStream> {
        let generic = self.handler.states().filter(|state| self.is_generic(state));
        let predicates = generic.map(|state| {
            let (site, ty) = (site_of(&state.ty), &state.ty);
            let krate = tokens::respanned(self.krate, site);
            quote_spanned!(site=> #ty: #krate::SessionState)
        });
        predicates.collect()
    }

    /// The runtime's type for what is done to a state. It stands at the user's type, so that "is not session state"
    /// points there.
    fn access_type(&self, state: &State) -> TokenStream {
        let site = site_of(&state.ty);
        let private = self.private_at(site);
        match state.access {
            Access::Write => quote_spanned!(site=> #private::Write),
            Access::Read => quote_spanned!(site=> #private::Read),
            Access::Maybe => quote_spanned!(site=> #private::Maybe),
        }
    }

    /// The user's function, unchanged but for the attributes that went to the outer item.
    pub(super) fn user_function(&self, attributes: &[&syn::Attribute]) -> TokenStream {
        let Handler { signature, body, .. } = self.handler;
        // The attribute, not the user, asks for `async` and for references even to small states, and calls the
        // function once.
        quote_spanned! {Span::mixed_site()=>
            #(#attributes)*
            #[allow(clippy::unused_async, clippy::trivially_copy_pass_by_ref, clippy::single_call_fn)]
            #signature
            #body
        }
    }

    /// The call of the user's function, its arguments in the order of the signature.
    fn user_call(&self) -> TokenStream {
        let site = Span::mixed_site();
        let name = &self.handler.signature.ident;
        let generics: Vec<_> =
            self.handler.signature.generics.params.iter().filter_map(type_or_const).collect();
        let turbofish = (!generics.is_empty()).then(|| quote_spanned!(site=> ::<#(#generics),*>));
        let (mut states, mut extractors) = (0, 0);
        let values = self.handler.parameters.iter().map(|parameter| match parameter {
            Parameter::State(state) => {
                let mut value = state_ident(states);
                // "Mismatched types" belongs there.
                value.set_span(site_of(&state.ty));
                states += 1;
                value.into_token_stream()
            }
            Parameter::Extractor(extractor) => {
                let conditions = &extractor.conditions;
                let value = self.extractor_ident(extractors);
                extractors += 1;
                quote_spanned!(site=> #(#conditions)* #value)
            }
        });
        let at_name = site_of(name);
        let mut arguments = Group::new(Delimiter::Parenthesis, quote_spanned!(site=> #(#values),*));
        arguments.set_span(at_name);
        quote_spanned!(at_name=> #name #turbofish #arguments)
    }

    /// Runs the user's function. While the states are lent to it, `answer` makes of `__result` what outlives them;
    /// `imports` are what `answer` needs.
    pub(super) fn run(&self, imports: &TokenStream, answer: &TokenStream) -> TokenStream {
        let states = (0..self.handler.states().count()).map(state_ident);
        let call = self.user_call();
        // "Cannot be sent between threads" belongs to the user's function.
        let site = site_of(&self.handler.signature.ident);
        let private = self.private_at(site);
        let run = quote_spanned!(site=> __scope.run(#private::sent(#call)));
        quote_spanned! {Span::mixed_site()=>
            {
                #imports
                let (__scope, (#(#states,)*)) = __held.lend();
                let __result = #run.await;
                #answer
            }
        }
    }

    /// The function that stands where the user's stood, with the user's function inside.
    ///
    /// Its first and last token have the span of the user's, so that the compiler takes it for the user's item and
    /// says of it what it says of any function: "is never used", "missing documentation".
    pub(super) fn wrapper(
        &self,
        parameters: &TokenStream,
        output: &TokenStream,
        body: &TokenStream,
    ) -> TokenStream {
        let site = Span::mixed_site();
        let Handler { vis, signature, .. } = self.handler;
        let (asyncness, fn_token, name) = (&signature.asyncness, &signature.fn_token, &signature.ident);
        let attributes = self.outer_attributes();
        let generics = self.wrapper_generics();
        let where_clause = self.wrapper_where();
        let distinct = self.distinct_keys();
        let user_function = self.user_function(&self.handler.attributes_with(&[Role::Instrument]));
        let lints = self.wrapper_lints();
        let asks = self.asks();
        let known = self.known_states();
        let body = quote_spanned!(site=> #user_function #known #distinct #asks #body);
        let mut block = Group::new(Delimiter::Brace, body);
        block.set_span(name.span());
        quote_spanned! {site=>
            #(#attributes)*
            #lints
            #vis #asyncness #fn_token #name #generics(#parameters) #output #where_clause #block
        }
    }

    /// Allows the lints that the wrapper alone would break. The user's own levels of lints hold for the wrapper, too, so
    /// each is allowed only where it would be wrong.
    fn wrapper_lints(&self) -> TokenStream {
        let site = Span::mixed_site();
        // The user says `T: SessionState`, too.
        let bounds = self.handler.states().any(|state| self.is_generic(state)).then(|| {
            quote_spanned!(site=> #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)])
        });
        // Without a state, the wrapper has one parameter more than the user's function.
        let one_more =
            self.handler.states().count() == 0 && self.handler.extractors().count() == CLIPPY_MAX_PARAMETERS;
        let parameters = one_more.then(|| quote_spanned!(site=> #[allow(clippy::too_many_arguments)]));
        quote_spanned!(site=> #[allow(trivial_bounds, private_bounds)] #bounds #parameters)
    }

    /// The wrapper's `where` clause, which may be empty: the user's predicates and those of the states. It ends the
    /// wrapper's head, so it has the span of the user's name.
    fn wrapper_where(&self) -> TokenStream {
        let Handler { signature, .. } = self.handler;
        let users = signature.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        let users = users.map(ToTokens::to_token_stream);
        let predicates = users.chain(self.state_predicates());
        quote_spanned!(signature.ident.span()=> where #(#predicates,)*)
    }

    /// The parameters of a wrapper whose extractors are the framework's to call: the runtime's `call`, and then them. An
    /// extractor right before the first state stays the first: axum-extra's typed routes ask the first for its path.
    pub(super) fn call_and_extractors(&self, call: &TokenStream) -> TokenStream {
        let types = self.argument_types();
        let parameters = self.handler.extractors().zip(types).enumerate().map(|(index, (extractor, ty))| {
            let conditions = &extractor.conditions;
            let name = self.extractor_ident(index);
            quote_spanned!(Span::mixed_site()=> #(#conditions)* #name: #ty)
        });
        let name = self.call_ident();
        let mut parameters: Vec<_> = parameters.collect();
        let place = usize::from(self.call_is_second());
        parameters.insert(place, quote_spanned!(Span::mixed_site()=> #name: #call));
        quote_spanned!(Span::mixed_site()=> #(#parameters,)*)
    }

    /// Whether the first extractor comes before the runtime's call: where a state stands right behind it.
    fn call_is_second(&self) -> bool {
        let before_a_state =
            matches!(&*self.handler.parameters, [Parameter::Extractor(_), Parameter::State(_), ..]);
        self.kind == Kind::Http && before_a_state
    }

    /// The wrapper's generics: the user's, without the lifetimes that only borrow states.
    fn wrapper_generics(&self) -> Generics {
        let generics = &self.handler.signature.generics;
        let extractors = self.handler.extractors().map(|extractor| extractor.ty.to_token_stream());
        let states = self.handler.states().map(|state| state.ty.to_token_stream());
        let bounds =
            generics.params.iter().filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
        let users: Vec<_> = extractors
            .chain(states)
            .chain(bounds.map(ToTokens::to_token_stream))
            .chain([generics.where_clause.to_token_stream()])
            .collect();
        let mut kept = generics.clone();
        kept.params = generics
            .params
            .iter()
            .filter(|parameter| match parameter {
                GenericParam::Lifetime(parameter) => {
                    users.iter().any(|user| tokens::mentions(user, &parameter.lifetime.ident))
                }
                _ => true,
            })
            .cloned()
            .collect();
        kept
    }

    /// Asserts that no two parameters hold a state under one key, through an alias or by accident.
    pub(super) fn distinct_keys(&self) -> TokenStream {
        let states: Vec<_> = self.handler.states().collect();
        let message = format!(
            "two parameters of `{}` hold the state under one key: keep one of them, or give each state its \
             own `#[session_state(key = \"..\")]`",
            self.handler.signature.ident
        );
        (1..states.len()).map(|last| self.distinct_key(&states[..=last], &message)).collect()
    }

    fn distinct_key(&self, states: &[&State], message: &str) -> TokenStream {
        let types = states.iter().enumerate().map(|(index, state)| self.known_type(index, state));
        let site = states.last().map_or_else(Span::mixed_site, |state| site_of(&state.ty));
        let (private, krate) = (self.private_at(site), tokens::respanned(self.krate, site));
        let assertion = quote_spanned! {site=>
            ::core::assert!(
                #private::distinct(&[#(<#types as #krate::SessionState>::KEY),*]),
                #message
            )
        };
        if states.iter().any(|state| self.is_generic(state)) {
            // A constant item cannot name the function's parameters. This is reported for each state that
            // the function is used with, once code is generated for it: by a build, not by a check.
            quote_spanned!(site=> const { #assertion };)
        } else {
            quote_spanned!(site=> const _: () = #assertion;)
        }
    }

    fn is_generic(&self, state: &State) -> bool {
        self.names_generics(&state.ty.to_token_stream())
    }

    /// Whether these tokens name one of the function's generics.
    fn names_generics(&self, ty: &TokenStream) -> bool {
        self.handler.signature.generics.params.iter().any(|parameter| {
            let name = match parameter {
                GenericParam::Lifetime(parameter) => &parameter.lifetime.ident,
                GenericParam::Type(parameter) => &parameter.ident,
                GenericParam::Const(parameter) => &parameter.ident,
            };
            tokens::mentions(ty, name)
        })
    }

    /// The name of the wrapper's parameter for the extractor with this index: the user's, for documentation and editors,
    /// unless it means something else in the wrapper.
    pub(super) fn extractor_ident(&self, index: usize) -> Ident {
        let own = format_ident!("__extractor{index}", span = Span::mixed_site());
        let names: Vec<_> = self.handler.extractors().map(|extractor| extractor.name.as_ref()).collect();
        match names.get(index) {
            Some(Some(name)) if self.is_free(name) => {
                let mut name = (*name).clone();
                name.set_span(Span::mixed_site());
                name
            }
            _ => own,
        }
    }

    /// Whether a name can be a parameter's of the wrapper. One that begins with `_` says that it is not used, and here it is.
    fn is_free(&self, name: &Ident) -> bool {
        !name.to_string().starts_with('_') && *name != self.handler.signature.ident
    }

    /// The name of the wrapper's parameter for the states: that of the state, if there is one.
    pub(super) fn call_ident(&self) -> Ident {
        let mut states = self.handler.states();
        match (states.next(), states.next()) {
            (Some(state), None) if self.is_free(&state.name) => {
                let mut name = state.name.clone();
                name.set_span(Span::mixed_site());
                name
            }
            _ => format_ident!("__call", span = Span::mixed_site()),
        }
    }

    /// Asks of each extractor, at its own type, whether it is one, unless that is asked in its type. Nothing of it runs.
    pub(super) fn asks(&self) -> Option<TokenStream> {
        let all = 0..self.handler.extractors().count();
        let asks: Vec<_> =
            all.filter(|index| !self.is_doubtful(*index)).filter_map(|index| self.ask(index)).collect();
        let imports = self.asks_imports();
        (!asks.is_empty()).then(|| {
            quote_spanned! {Span::mixed_site()=>
                if false {
                    #imports
                    #(#asks)*
                }
            }
        })
    }

    fn asks_imports(&self) -> TokenStream {
        let private = &self.private;
        quote_spanned! {Span::mixed_site()=>
            #[allow(unused_imports)]
            use #private::asks::{
                BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _, OwnState as _, Payload as _,
                Second as _, Seventh as _, SocketsOwn as _, Third as _,
            };
        }
    }

    /// Asks of one extractor whether it is one, and whether it can be beside the others.
    fn ask(&self, index: usize) -> Option<TokenStream> {
        let extractors: Vec<_> = self.handler.extractors().collect();
        // What is extracted without the request stands for the call.
        let call: Option<syn::Type> = self.call_is_second().then(|| syn::parse_quote!(()));
        // What stands behind all that are there whatever the configuration may be the last.
        let next = extractors.iter().skip(index + 1).find(|extractor| extractor.conditions.is_empty());
        let next = next.map(|next| &next.ty).or_else(|| call.as_ref().filter(|_| index == 0));
        let itself = asks::ask(self.kind, next, extractors.get(index)?, &self.private);
        let beside = asks::ask_beside(self.kind, &extractors, index, &self.private);
        (itself.is_some() || beside.is_some()).then(|| quote_spanned!(Span::mixed_site()=> #itself #beside))
    }

    /// The types of the extractors, as the signature has them. In that of a doubtful one it is asked whether it is one: what is
    /// none is an error to the compiler, as a state that is none, and nothing is said of it where the handler is registered.
    pub(super) fn argument_types(&self) -> Vec<TokenStream> {
        let each = self.handler.extractors().enumerate().map(|(index, extractor)| {
            let ty = &extractor.ty;
            let ask = if self.is_doubtful(index) { self.ask(index) } else { None };
            let Some(ask) = ask else { return ty.to_token_stream() };
            let site = site_of(ty);
            let (private, imports) = (self.private_at(site), self.asks_imports());
            let question = quote_spanned! {site=>
                {
                    #imports
                    let _: fn() = || { #ask };
                    true
                }
            };
            quote_spanned!(site=> <#private::Known<#question> as #private::As<#ty>>::Type)
        });
        each.collect()
    }

    /// Whether an extractor is called as none is. One under a condition, or of the function's own generics, is asked in the body,
    /// where both are known.
    pub(super) fn is_doubtful(&self, index: usize) -> bool {
        self.handler.extractors().nth(index).is_some_and(|extractor| {
            let ty = extractor.ty.to_token_stream();
            extractor.conditions.is_empty()
                && !self.names_generics(&ty)
                && !tokens::contain_borrow(ty)
                && asks::is_doubtful(self.kind, &extractor.ty)
        })
    }

    /// Where an error about the value that the user's function returns belongs.
    pub(super) fn return_site(&self) -> Span {
        match self.handler.returns() {
            Some(ty) => site_of(ty),
            None => site_of(&self.handler.signature.ident),
        }
    }
}

/// The span of the user's tokens, where errors point to, with the hygiene of the expansion's own names.
pub(super) fn site_of(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::mixed_site())
}

fn state_ident(index: usize) -> Ident {
    format_ident!("__state{index}", span = Span::mixed_site())
}

fn type_or_const(parameter: &GenericParam) -> Option<&Ident> {
    match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    }
}
