//! The texts that `--help` adds to what clap makes of the commands and flags.

pub(super) const AFTER_HELP: &str = "\
A first deployment, given airlock and kv.wasm in Vault's plugin directory:

  airlock check --guest=$PWD/kv.wasm --guest-sha256=$(sha256sum < kv.wasm | cut -c-64)

says whether it would work, and prints the commands that register and enable it. With guests that a key signed, no build
needs an argument of its own (`airlock keygen`, `airlock sign`):

  airlock check --guest=$PWD/kv.wasm --trust=$(tail -1 signer.pub)

Exit status: 0 done; 1 refused or failed, with one line that says why; 2 wrong usage.";

pub(super) const BUNDLE: &str = "\
Examples:
  airlock bundle --guest=kv.wasm -o airlock-kv-0.1.0
  ./airlock-kv-0.1.0 check                               # what it contains, and how to register it
  ./airlock-kv-0.1.0 bundle --guest=new.wasm -o airlock-kv-0.2.0

The code runs on every x86-64 or ARM64 processor, whichever of the two this is. A host that cannot use it compiles the \
contained guest and logs why. The file must stay as it is: `strip` would remove the guest.

Exit status: 0 the file is there; 1 it is not, and nothing was left behind; 2 wrong usage.";

pub(super) const CALL: &str = "\
Examples:
  airlock call kv.wasm write team/db value=s3cret --storage data
  airlock call kv.wasm read team/db --storage data --usage
  airlock call kv.wasm write team/db @value.json         # a file's JSON object
  airlock call kv.wasm list team --mount secret --as entity=ann
  echo '{\"value\":1}' | airlock call kv.wasm write a -

The directory of --storage is made if it is missing, and belongs to one process at a time. A directory that is \
damaged, holds something else or has another version is refused and left unchanged.

Exit status: 0 the answer is a success; 1 it is an error, or the request could not be made, with one line that says \
why; 2 wrong usage.";

/// The text below the flags of `test`, with every key of a scenario.
pub(super) fn test_help() -> String {
    let keys = airlock_testkit::scenario::help();
    format!("{TEST}\n\n{keys}\n{TEST_END}")
}

const TEST: &str = "\
A scenario:
  about = \"A value is kept\"

  [[step]]
  request = \"write greeting\"            # read, write, patch, delete, list, help, tick, restart, renew, revoke
  data = { value = \"hello\" }
  expect.data = { message = \"key created\" }
  expect.storage = { \"kv/greeting\" = \"hello\" }

  [[step]]
  name = \"a put that fails is told\"
  request = \"write greeting\"
  data = { value = \"bye\" }
  faults = [{ on = \"put\", do = \"fail\" }]
  expect.status = 500
  budget.storage-calls = 2";

const TEST_END: &str = "\
Examples:
  airlock test kv.wasm scenarios/*.toml
  airlock test kv.wasm scenarios/*.toml --only failures -v
  airlock test kv.wasm scenarios/*.toml --junit results.xml
  airlock test --schema > scenario.schema.json
  airlock test --replay demo.rec kv.wasm                 # a recording of `airlock record`

Exit status: 0 all was as expected; 1 something was not, or a scenario is wrong: FILE:LINE says where; 2 wrong usage.";

pub(super) const KEYGEN: &str = "\
Examples:
  airlock keygen --out signer                               # asks for a password
  airlock keygen --out signer --password-file <(pass show airlock)
  airlock keygen --out signer --no-password                 # for CI, which guards the file

Exit status: 0 both files are written; 1 neither is, with one line that says why; 2 wrong usage.";

pub(super) const SIGN: &str = "\
Example:
  airlock sign --key signer kv-0.2.0.wasm                   # writes kv-0.2.0.wasm.minisig

With minisign itself, the trusted comment has to name the guest:
  minisign -S -s signer -t 'name=kv version=0.2.0' -m kv-0.2.0.wasm

Exit status: 0 the guest is signed; 1 it is not, with one line that says why; 2 wrong usage.";

pub(super) const VERIFY: &str = "\
Example:
  airlock verify --trust=\"$(tail -1 signer.pub)\" kv-0.2.0.wasm

Exit status: 0 the guest is trusted; 1 it is not, with one line that says why; 2 wrong usage.";

pub(super) const NEW: &str = "\
Examples:
  airlock new my-engine && cd my-engine
  cargo test                  # the engine natively
  make test                   # the same, and its scenario against the guest that ships
  airlock new my-engine --template leases
  airlock call target/my-engine.wasm write notes/a text=hello --storage data

Exit status: 0 the project is there; 1 it is not, and nothing was left behind; 2 wrong usage.";

/// The text below the flags of every command about a mount's guests.
pub(super) const VAULT: &str = "\
Environment, as for `vault` and `bao`: VAULT_ADDR (https://127.0.0.1:8200 if unset), VAULT_TOKEN or else ~/.vault-token, \
VAULT_NAMESPACE, VAULT_CACERT, VAULT_CACERT_BYTES or VAULT_CAPATH, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, \
VAULT_TLS_SERVER_NAME, VAULT_SKIP_VERIFY. Of each, BAO_… comes first.

Exit status: 0 done; 1 refused or failed, with one line that says why; 2 wrong usage.";

pub(super) const PUSH: &str = "\
Examples:
  airlock push kv-0.2.0.wasm --mount demo            # and kv-0.2.0.wasm.minisig, if it is there
  airlock push kv-0.3.0.wasm --mount demo --reload   # for a guest with other special paths
  airlock rollback --mount demo                      # the way back

What the token needs, with the policies for operators and for CI, is in docs/trust.md.

Environment, as for `vault` and `bao`: VAULT_ADDR (https://127.0.0.1:8200 if unset), VAULT_TOKEN or else ~/.vault-token, \
VAULT_NAMESPACE, VAULT_CACERT, VAULT_CACERT_BYTES or VAULT_CAPATH, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, \
VAULT_TLS_SERVER_NAME, VAULT_SKIP_VERIFY. Of each, BAO_… comes first.

Exit status: 0 the guest is active; 1 it is not, with one line that says why; 2 wrong usage.";

pub(super) const SERVE: &str = "\
Serve a guest to Vault.

Vault starts this command. If you start it by hand, it explains itself and ends. Register it with

  vault plugin register -sha256=<of the airlock binary> -command=airlock -version=v0.1.0 \\
      -args=serve -args=--guest=/path/kv-0.1.0.wasm -args=--guest-sha256=<of the guest> secret airlock-kv
  vault secrets enable -path=demo -plugin-version=v0.1.0 airlock-kv

With -args=--trust=<the signer's public key> in place of the guest's digest, each build that this key signed may run \
(`airlock sign`).

Every request runs in a fresh instance of the guest, under the limits below. A request that exceeds one fails alone, \
with an error that names the limit and its flag.";

pub(super) const SERVE_CONTAINED: &str = "\
Serve the guest in this program to Vault.

Vault starts this command, with or without the word `serve`. If you start it by hand, it explains itself and ends. `check` \
prints the commands that register it: this file's SHA-256 is all that pins the guest.

Every request runs in a fresh instance of the guest, under the limits below. A request that exceeds one fails alone, \
with an error that names the limit and its flag.";
