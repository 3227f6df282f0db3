//! What the handler attributes report: every mistake, all of them at once, each with what to write instead.

use super::*;

#[track_caller]
fn assert_mistakes(kind: Kind, arguments: &str, item: &str, expected: &[&str]) {
    let expansion = handler(kind, arguments, item);
    let messages = messages(&expansion);
    assert_eq!(messages, expected, "#[{}({arguments})] {item}", kind.attribute());
    let function = item.find("fn ").map_or("", |start| &item[start..]);
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let function = squeezed(function.trim_end_matches(';'));
    assert!(
        squeezed(&expansion.to_string()).contains(&function) || item.ends_with(';'),
        "the user's function stays as it is"
    );
}

#[test]
fn names() {
    let item = "async fn login(session: &mut User, form: Form<Login>) {}";
    assert_mistakes(
        Kind::Http,
        "session, foo",
        item,
        &["`foo` is not a parameter of `login`: the attribute names the parameters that are session state \
           (this function has `session`, `form`)"],
    );
    assert_mistakes(
        Kind::Http,
        "foo",
        "async fn login() {}",
        &["`foo` is not a parameter of `login`: the attribute names the parameters that are session state \
           (this function has no named parameter)"],
    );
    assert_mistakes(Kind::Http, "session, session", item, &["`session` is listed twice: name it once"]);
    assert_mistakes(
        Kind::Socket,
        "session = x, 3, , session",
        item,
        &[
            "expected the name of a parameter: the attribute lists the parameters that are session state, \
             as in `#[socket_handler(session)]`",
            "expected the name of a parameter: the attribute lists the parameters that are session state, \
             as in `#[socket_handler(session)]`",
            "a name is missing before a comma: write `#[socket_handler(session)]`",
        ],
    );
    assert_mistakes(
        Kind::Socket,
        "a, b, c, d, e, f, g, h, i",
        "async fn all(a: &A, b: &B, c: &C, d: &D, e: &E, f: &F, g: &G, h: &H, i: &I) {}",
        &["a handler holds at most 8 states: put values that change together into one state, or take \
           `Shared<T>`"],
    );
}

#[test]
fn unnamed_references() {
    assert_mistakes(
        Kind::Http,
        "user",
        "async fn checkout(user: &User, cart: &mut Cart, seen: Option<&Seen>, form: Form<F>) {}",
        &[
            "`cart` is a reference: name it in the attribute: `#[http_handler(user, cart, seen)]`; an extractor is taken by \
             value",
            "`seen` is a reference: name it in the attribute: `#[http_handler(user, cart, seen)]`; an extractor is taken by \
             value",
        ],
    );
    assert_mistakes(
        Kind::Http,
        "",
        "async fn checkout(User { name }: &User) {}",
        &["only session state is a reference: give the parameter a name and list it in the attribute, as \
           in `#[http_handler(session)]`"],
    );
    assert_mistakes(
        Kind::Http,
        "sesion",
        "async fn login(session: &User) {}",
        &["`sesion` is not a parameter of `login`: the attribute names the parameters that are session \
             state (this function has `session`)"],
    );
}

#[test]
fn types_of_states() {
    for (ty, message) in [
        (
            "User",
            "session state is borrowed: write `s: &User` to read it or `s: &mut User` to change it; an \
             extractor, as `Shared` and `SessionControl` are, is left out of the attribute",
        ),
        (
            "Option<&mut User>",
            "a state that is changed is always there: write `s: &mut User`, which starts from \
             `User::default()` where nothing is stored",
        ),
        (
            "std::option::Option<a::User>",
            "session state is borrowed: write `s: Option<&a::User>` to see whether it is stored, or `s: \
             &mut a::User` to change it",
        ),
        ("&&User", "a state is borrowed once: write `s: &User` to read it or `s: &mut User` to change it"),
        (
            "&impl Trait",
            "session state is one concrete type under one key, and `impl Trait` is none: write `s: &T` or \
             `s: &mut T` with a `#[session_state]` struct `T`",
        ),
        ("&'static mut User", "session state is borrowed for one call: write `&mut User`"),
    ] {
        assert_mistakes(Kind::Socket, "s", &format!("async fn handler(s: {ty}) {{}}"), &[message]);
    }
    assert_mistakes(
        Kind::Socket,
        "a, b",
        "async fn handler(a: &User, b: &mut User) {}",
        &["`User` is already held by `a`: one parameter per state"],
    );
    assert_mistakes(
        Kind::Socket,
        "a",
        "async fn handler(#[cfg(unix)] a: &User) {}",
        &["`a` is held whatever the configuration: put the `#[cfg]` on the function"],
    );
}

#[test]
fn functions() {
    assert_mistakes(Kind::Http, "", "fn login() {}", &["a handler is asynchronous: write `async fn login`"]);
    assert_mistakes(
        Kind::Http,
        "",
        "async unsafe fn login() {}",
        &["a handler is called by the framework: write a safe `async fn login`"],
    );
    assert_mistakes(
        Kind::Http,
        "",
        "async fn login(&self) {}",
        &["`#[http_handler]` goes on a free function: take what `self` holds as a parameter"],
    );
    assert_mistakes(Kind::Http, "", "async fn login();", &["`login` has no body: write `{ .. }`"]);
    for item in ["struct Login;", "pub const LOGIN: u8 = 1;", "impl Login {}", "mod login {}"] {
        assert_mistakes(Kind::Http, "", item, &["`#[http_handler]` goes on an `async fn`"]);
    }
    assert_mistakes(
        Kind::Http,
        "",
        "async fn login<#[cfg(unix)] T>() {}",
        &["a handler's type parameters are there whatever the configuration: put the `#[cfg]` on the \
           function"],
    );
}

#[test]
fn returned_types() {
    let owned = "return an owned value, as `String` and `&'static str` are: the answer leaves after the session's \
                 turn has ended";
    for ty in ["&str", "&'a str", "Option<&str>", "Result<(), &User>"] {
        assert_mistakes(Kind::Socket, "s", &format!("async fn handler(s: &User) -> {ty} {{}}"), &[owned]);
    }
    assert_mistakes(
        Kind::Socket,
        "",
        "async fn handler() -> ! {}",
        &["a handler comes to an end, where its changes are saved: write the type of its answer"],
    );
    assert_mistakes(
        Kind::Socket,
        "s",
        "async fn handler(s: &User) -> Result<impl Serialize, u8> {}",
        &["the answer leaves after the session's turn has ended, and `impl Trait` borrows the states: \
           write the type itself, or add `+ use<>`"],
    );
    for ty in ["Cow<'_, str>", "Vec<&str>", "(u8, [&'a str; 2])", "impl Serialize + use<'a>"] {
        let item = format!("async fn handler(s: &User) -> {ty} {{}}");
        assert_mistakes(Kind::Socket, "s", &item, &[owned]);
        // A response is made of it while the turn lasts.
        assert_compiles_as_items(&handler(Kind::Http, "s", &item));
    }
    for ty in ["&'static str", "Result<(), &'static str>", "impl Serialize + use<>"] {
        let expansion = handler(Kind::Socket, "s", &format!("async fn handler(s: &User) -> {ty} {{}}"));
        assert_compiles_as_items(&expansion);
    }
}

#[test]
fn connect_handlers() {
    let adapter_only = "a connect handler may be generic over the adapter only: write `async fn \
                        connected<A: Adapter>(..)` or no parameter at all";
    for generics in ["A, B", "'a", "const N: usize"] {
        let item = format!("async fn connected<{generics}>(s: &User) {{}}");
        assert_mistakes(Kind::Connect, "s", &item, &[adapter_only]);
    }
    assert_mistakes(
        Kind::Connect,
        "",
        "async fn connected(#[cfg(unix)] socket: SocketRef, data: impl Extractor) {}",
        &[
            "a connect handler's parameters are there whatever the configuration: put the `#[cfg]` on the \
             function",
            "a connect handler's parameters are concrete types: write the extractor's type",
        ],
    );
    assert_mistakes(
        Kind::Socket,
        "",
        "async fn add(#[cfg(unix)] socket: SocketRef, data: impl Extractor) {}",
        &["a socket handler's parameters are concrete types: write the extractor's type"],
    );
    assert_mistakes(
        Kind::ConnectMiddleware,
        "",
        "async fn only_users() {}",
        &["a connect middleware decides: write `-> Result<(), E>`, where `E: Display` is what a refused \
           client is told"],
    );
}

#[test]
fn one_handler_a_function() {
    let message = "`logout` is one handler, and `#[socket_handler]` would make it another: write a function for \
                   each, and call from both what they share";
    let item = "#[socketioxide_session::socket_handler(user)] async fn logout(user: &mut User) {}";
    assert_mistakes(Kind::Http, "user", item, &[message]);
}

#[test]
fn all_at_once() {
    let expansion = handler(Kind::Http, "a, a, b", "fn login(a: User, c: &Cart) -> &str {}");
    assert_eq!(messages(&expansion).len(), 5);
}

#[test]
fn a_slip_in_the_body_is_not_ours() {
    let expansion = handler(Kind::Http, "", "async fn login() { let x = ; x. }");
    assert_eq!(messages(&expansion), Vec::<String>::new());
}

#[test]
fn what_users_take_for_a_state_has_its_own_advice() {
    let mut of = std::collections::BTreeMap::new();
    for (ty, advice) in [
        ("&Shared<User>", "taken by value: write `s: Shared<User>`, and leave `s` out"),
        ("Data<String>", "leave `s` out of the attribute"),
        ("Session", "leave `s` out of the attribute"),
        ("Arc<User>", "without `Arc`: write `s: &User` to read it or `s: &mut User`"),
        ("&Arc<Mutex<User>>", "without `Arc`: write `s: &User`"),
        ("Result<User, E>", "without `Result`: write `s: &User`"),
        ("(User, Cart)", "`s1: &User`, `s2: &Cart`"),
        ("&mut (User, Cart)", "`s1: &mut User`, `s2: &mut Cart`"),
        ("&Option<User>", "write `s: Option<&User>`"),
        ("&Option<&User>", "write `s: Option<&User>`"),
        ("&mut Option<User>", "write `s: &mut User`"),
    ] {
        let messages = messages(&handler(Kind::Http, "s", &format!("async fn handler(s: {ty}) {{}}")));
        of.insert(ty, messages.len());
        assert!(messages[0].contains(advice), "{ty}: {messages:?}");
    }
    assert!(of.values().all(|number| *number == 1), "each is said once: {of:?}");
}

#[test]
fn an_extractor_by_reference_is_taken_by_value() {
    for (ty, advice) in [
        ("&SessionControl", "write `s: SessionControl`"),
        ("&mut Shared<Cart>", "write `s: Shared<Cart>`"),
        ("&SocketRef", "write `s: SocketRef`"),
        ("&str", "`Data(s): Data<String>`"),
        ("&Arc<App>", "`State(s): State<Arc<App>>`"),
    ] {
        let messages = messages(&handler(Kind::Socket, "", &format!("async fn handler(s: {ty}) {{}}")));
        assert!(messages.len() == 1 && messages[0].contains(advice), "{ty}: {messages:?}");
    }
}

#[test]
fn nothing_is_said_of_parameters_that_an_unclear_list_may_name() {
    for list in ["user: User", "&user", "\"user\"", "user = 1"] {
        let expansion = handler(Kind::Http, list, "async fn login(user: &mut User) {}");
        let messages = messages(&expansion);
        assert_eq!(messages.len(), 1, "{list}: {messages:?}");
        assert!(messages[0].starts_with("expected the name of a parameter"), "{messages:?}");
    }
}

#[test]
fn values_by_reference() {
    for (kind, ty, owned) in [
        (Kind::Socket, "u32", "Data(value): Data<u32>"),
        (Kind::Socket, "[u8]", "Data(value): Data<Vec<u8>>"),
        (Kind::Connect, "Option<String>", "Data(value): Data<Option<String>>"),
        (Kind::Http, "HashMap<String, u8>", "Json(value): Json<HashMap<String, u8>>"),
        (Kind::Http, "(u8, u8)", "Path(value): Path<(u8, u8)>"),
        (Kind::Http, "str", "value: String"),
    ] {
        let expansion = handler(kind, "", &format!("async fn add(value: &{ty}) {{}}"));
        let messages = messages(&expansion);
        assert_eq!(messages.len(), 1, "{ty}: {messages:?}");
        assert!(messages[0].starts_with("only session state is a reference"), "{messages:?}");
        assert!(messages[0].contains(owned), "{messages:?}");
    }
}

#[test]
fn what_is_read_owns_itself() {
    for ty in ["Data<&str>", "Json<Search<'_>>", "Query<Vec<&'a str>>"] {
        let expansion = handler(Kind::Socket, "", &format!("async fn say<'a>(_: {ty}) {{}}"));
        let messages = messages(&expansion);
        assert_eq!(messages.len(), 1, "{ty}: {messages:?}");
        assert!(messages[0].starts_with("what is read from what a client sends is owned"), "{messages:?}");
    }
    let owned = handler(Kind::Socket, "", "async fn say(_: Data<Cow<'static, str>>) {}");
    assert_eq!(messages(&owned), Vec::<String>::new());
}

#[test]
fn a_half_typed_function_has_a_stand_in_of_its_name() {
    for item in ["pub(crate) async fn login(form: ) {}", "async fn login(user: &mut User) -> { }"] {
        let expansion = handler(Kind::Http, "", item);
        assert_eq!(messages(&expansion).len(), 1, "{item}");
        assert!(expansion.to_string().contains("async fn login"), "{expansion}");
        assert!(expansion.to_string().contains("http :: Response"), "{expansion}");
    }
}

#[test]
fn debug_handler_above() {
    let file = "#[debug_handler]\n#[http_handler] async fn login() {}";
    let around = Around::attribute_in(file, "#[http_handler]");
    let expansion =
        crate::expand_handler(Kind::Http, tokens(""), tokens("async fn login() {}"), &around, &krate());
    assert_eq!(
        messages(&expansion),
        [
            "`#[debug_handler]` is above, where it takes the states for extractors: write it below `#[http_handler(..)]`"
        ]
    );
}
