//! The rules for what the store touches, as pure functions of what the operating system says about
//! a file.

use std::path::Path;

use crate::error::{Result, TokenStoreError};

/// Permission bits that let the group or others in.
const GROUP_AND_OTHERS: u32 = 0o077;

/// The file or directory belongs to the user who runs us.
pub(crate) fn check_owner(path: &Path, owner: u32, user: u32) -> Result<()> {
    if owner == user {
        return Ok(());
    }
    Err(TokenStoreError::ForeignOwner {
        path: path.to_owned(),
        owner,
        user,
    })
}

/// Nobody but the owner has access.
pub(crate) fn check_private(path: &Path, mode: u32) -> Result<()> {
    if mode & GROUP_AND_OTHERS == 0 {
        return Ok(());
    }
    Err(TokenStoreError::LooseMode {
        path: path.to_owned(),
        mode: mode & 0o7777,
    })
}

/// The mode without the bits of the group and others, when it has any.
pub(crate) fn tightened(mode: u32) -> Option<u32> {
    (mode & GROUP_AND_OTHERS != 0).then_some(mode & 0o7777 & !GROUP_AND_OTHERS)
}

/// Whether any user of the machine may read the file.
pub(crate) fn is_world_readable(mode: u32) -> bool {
    mode & 0o004 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/home/me/.auth_token";

    fn message(result: Result<()>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn only_the_owner_passes() {
        check_owner(Path::new(PATH), 1000, 1000).unwrap();
        assert_eq!(
            message(check_owner(Path::new(PATH), 0, 1000)),
            "/home/me/.auth_token belongs to user id 0, this process runs as 1000; run it as the owner, or change the owner"
        );
        assert!(
            check_owner(Path::new(PATH), 1000, 0).is_err(),
            "root is no exception"
        );
    }

    #[test]
    fn any_bit_of_the_group_or_others_is_loose() {
        for mode in [0o600, 0o400, 0o700, 0o100_600] {
            check_private(Path::new(PATH), mode).unwrap();
            assert_eq!(tightened(mode), None);
        }
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o100_644] {
            check_private(Path::new(PATH), mode).unwrap_err();
            assert_eq!(tightened(mode), Some(0o600));
        }
        assert_eq!(
            message(check_private(Path::new(PATH), 0o100_644)),
            "the token file /home/me/.auth_token is open to other users (mode 0644); run `chmod 600` on it, and rotate \
             the token if others may have read it"
        );
    }
}
