//! Names that operators give: parsed once, at the edge, and never a bare string after that.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// A name that is not 1 to 63 of `a-z`, `0-9`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name: use 1 to 63 of a-z, 0-9, '-' and '_'")]
pub struct InvalidName(String);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 63 of `a-z`, `0-9`, `-` and `_`. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(s: &str) -> Result<Self, InvalidName> {
                if valid(s) { Ok(Self(s.into())) } else { Err(InvalidName(s.to_owned())) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// A tenant: the owner of routes, and the scope of everything that a plugin can reach.
    TenantName
}
name! {
    /// A route of a tenant.
    RouteName
}
name! {
    /// A listener.
    ListenerName
}
name! {
    /// A plugin.
    PluginName
}
name! {
    /// A key-value store of a tenant.
    StoreName
}

/// A plugin of a node: one of a tenant's own, as `acme/echo`, or one that all tenants share, as `echo`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginId {
    /// Whose it is; none where all share it.
    pub tenant: Option<TenantName>,
    /// Its name there.
    pub name: PluginName,
}

impl From<PluginName> for PluginId {
    /// One that all tenants share.
    fn from(name: PluginName) -> Self {
        Self { tenant: None, name }
    }
}

impl FromStr for PluginId {
    type Err = InvalidName;

    fn from_str(s: &str) -> Result<Self, InvalidName> {
        match s.split_once('/') {
            Some((tenant, name)) => Ok(Self { tenant: Some(tenant.parse()?), name: name.parse()? }),
            None => Ok(Self { tenant: None, name: s.parse()? }),
        }
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            Some(tenant) => write!(f, "{tenant}/{}", self.name),
            None => self.name.fmt(f),
        }
    }
}

impl fmt::Debug for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn valid(s: &str) -> bool {
    matches!(s.len(), 1..=63) && s.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::{PluginId, TenantName};

    #[test]
    fn only_names_parse() {
        for good in ["a", "acme-2", "0_0", &"x".repeat(63)] {
            assert_eq!(good.parse::<TenantName>().unwrap().as_str(), good);
        }
        for bad in ["", "A", "a b", "a/b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<TenantName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_plugin_is_of_a_tenant_or_of_all() {
        for id in ["echo", "acme/echo"] {
            assert_eq!(id.parse::<PluginId>().unwrap().to_string(), id);
        }
        for bad in ["", "/echo", "acme/", "a/b/c", "A/echo"] {
            assert!(bad.parse::<PluginId>().is_err(), "{bad:?}");
        }
    }
}
