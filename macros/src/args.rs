//! The arguments of a handler attribute: the names of the parameters that are session state.

use proc_macro2::{Ident, Span, TokenStream};

use crate::{diagnostics::Diagnostics, model::Kind, tokens};

/// The runtime implements its turns for tuples up to this size.
const MAX_STATES: usize = 8;

/// The names that an attribute lists.
#[derive(Default)]
pub(crate) struct Names {
    /// In their order and each once.
    pub(crate) listed: Vec<Ident>,
    /// There is something else in the list, which was reported.
    pub(crate) is_unclear: bool,
}

/// Reads the names.
pub(crate) fn names(kind: Kind, arguments: TokenStream, diagnostics: &Diagnostics) -> Names {
    let (mut names, mut is_unclear) = (Vec::<Ident>::new(), false);
    for argument in tokens::split_at_commas(arguments) {
        let Some(name) = tokens::single_ident(&argument) else {
            report_unreadable(kind, &argument, diagnostics);
            is_unclear = true;
            continue;
        };
        if names.contains(&name) {
            diagnostics.report(&name, format_args!("`{name}` is listed twice: name it once"));
            continue;
        }
        names.push(name);
    }
    if let Some(surplus) = names.get(MAX_STATES) {
        diagnostics.report(
            surplus,
            format_args!(
                "a handler holds at most {MAX_STATES} states: put values that change together into one \
                 state, or take `Shared<T>`"
            ),
        );
    }
    Names { listed: names, is_unclear }
}

fn report_unreadable(kind: Kind, argument: &TokenStream, diagnostics: &Diagnostics) {
    let attribute = kind.attribute();
    if argument.is_empty() {
        let message = "a name is missing before a comma";
        diagnostics.report_at(Span::call_site(), format_args!("{message}: write `#[{attribute}(session)]`"));
        return;
    }
    diagnostics.report(
        argument,
        format_args!(
            "expected the name of a parameter: the attribute lists the parameters that are session state, \
             as in `#[{attribute}(session)]`"
        ),
    );
}
