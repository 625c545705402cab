//! Exports `socklet:plugin/behavior@0.2.0`, a track that this host does not have.
#![expect(missing_docs, unsafe_code, reason = "generated code")]

wit_bindgen::generate!({
    inline: "
        package socklet:plugin@0.2.0;

        interface behavior {
            on-message: func(connection: u64, text: string);
        }

        world behavior-plugin {
            export behavior;
        }
    ",
});

struct Guest;

impl exports::socklet::plugin::behavior::Guest for Guest {
    fn on_message(_connection: u64, _text: String) {}
}

export!(Guest);
