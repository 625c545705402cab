//! The words of `socklet:plugin/types` as the virtual machine passes them. By hand, because `bindgen!` of wasmtime 48 makes an
//! `impl Error` without its lifetime of a type that is both borrowed and an error. What goes to guests borrows.

use wasmtime::component::{ComponentType, HasData, Lift, Linker, Lower, WasmList, WasmStr};

/// What `bindgen!` expects beside the types: the interface has no functions.
pub trait Host {}

/// See [`Host`].
pub trait HostWithStore<T>: HasData {}

/// See [`Host`].
pub fn add_to_linker<T: 'static, D>(_: &mut Linker<T>, _: fn(&mut T) -> D::Data<'_>) -> wasmtime::Result<()>
where
    D: HostWithStore<T>,
    for<'a> D::Data<'a>: Host,
{
    Ok(())
}

pub type ConnectionId = u64;

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
pub struct FieldResult {
    pub name: String,
    pub value: String,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub struct FieldParam<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub struct Request<'a> {
    pub connection: ConnectionId,
    pub listener: &'a str,
    pub method: &'a str,
    pub secure: bool,
    pub authority: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a [FieldParam<'a>],
    pub captures: &'a [(&'a str, &'a str)],
    #[component(name = "client-ip")]
    pub client_ip: &'a str,
    #[component(name = "client-port")]
    pub client_port: u16,
    pub attributes: &'a [(&'a str, &'a str)],
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<FieldResult>,
    pub body: Vec<u8>,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
pub struct PrincipalResult {
    pub subject: String,
    pub attributes: Vec<(String, String)>,
    #[component(name = "expires-at")]
    pub expires_at: Option<u64>,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub struct PrincipalParam<'a> {
    pub subject: &'a str,
    pub attributes: &'a [(&'a str, &'a str)],
    #[component(name = "expires-at")]
    pub expires_at: Option<u64>,
}

/// Where a message lies in the guest's memory, for as long as the guest waits in its host call. It may only be an argument: what a
/// guest returns is gone before the host looks.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub enum MessageResult {
    #[component(name = "text")]
    Text(WasmStr),
    #[component(name = "binary")]
    Binary(WasmList<u8>),
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(variant)]
pub enum MessageParam<'a> {
    #[component(name = "text")]
    Text(&'a str),
    #[component(name = "binary")]
    Binary(&'a [u8]),
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
pub struct CloseFrameResult {
    pub code: u16,
    pub reason: String,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub struct CloseFrameParam<'a> {
    pub code: u16,
    pub reason: &'a str,
}
