# Every task; `just` lists them. Without just: the same words after `cargo xtask`, or the scripts.

# List the tasks.
default:
    @just --list --unsorted

# Show the gateway at work, without an account.
demo *args:
    ./demo {{args}}

# Run every test.
test *args:
    ./test {{args}}

# Run what CI runs.
check:
    .ci/run

# Format, then see what the lints and the house rules say.
lint:
    cargo fmt --all
    cargo xtask lint

# Run the official clients only; NAME selects tests.
e2e *name:
    cargo xtask e2e {{name}}

# Feed hostile bytes to what reads them.
fuzz seconds="60":
    cargo xtask fuzz --seconds {{seconds}}

# Run the benchmarks whose figures stand in docs/benchmarks.md.
bench *args:
    cargo bench --workspace {{args}}

# Run the release binary under load, against nginx (needs nginx and wrk).
load *args:
    cargo build --release --locked -p tollgate -p tollgate-sim --bins --examples
    python3 bench/run.py {{args}}

# Print one request after each stage.
one-request:
    cargo run --quiet --example one_request

# Replay real traces through the release binary, and check its limits from outside.
replay *args: release
    cargo run --quiet --package tollgate --example replay -- {{args}}

# Build the binary that is shipped.
release:
    cargo build --release --locked --package tollgate
