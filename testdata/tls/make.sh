#!/bin/sh
# Makes the certificates and keys of this folder anew (openssl 3, ECDSA P-256).
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
touch "$work/index.txt"
cat > "$work/ca.cnf" <<CNF
[ca]
default_ca = test
[test]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[local]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1, IP:::1, DNS:localhost
[elsewhere]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:elsewhere.example
CNF
request() { # file, common name
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=$2" -config "$work/ca.cnf" -out "$work/$1.csr"
}
sign() { # file, section of extensions, begin, end, more options
    name=$1 section=$2 begin=$3 end=$4
    shift 4
    openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/$name.csr" -out "$work/$name.crt" \
        -extensions "$section" -startdate "$begin" -enddate "$end" "$@" 2> "$work/log" || { cat "$work/log"; exit 1; }
}
by_ca="-cert $work/ca.crt -keyfile $work/ca.key"

request ca "Test CA"
sign ca authority 20200101000000Z 20700101000000Z -selfsign -keyfile "$work/ca.key"
cp "$work/ca.crt" ca.pem
for name in server expired early elsewhere; do request $name "$name"; done
sign server local 20200101000000Z 20700101000000Z $by_ca
sign expired local 20200101000000Z 20210101000000Z $by_ca
sign early local 20690101000000Z 20700101000000Z $by_ca
sign elsewhere elsewhere 20200101000000Z 20700101000000Z $by_ca
request self-signed bmc
sign self-signed local 20200101000000Z 20700101000000Z -selfsign -keyfile "$work/self-signed.key"
# As `openssl req -x509` makes them by default, and so many BMCs.
request ca-as-server bmc
sign ca-as-server authority 20200101000000Z 20700101000000Z -selfsign -keyfile "$work/ca-as-server.key"
for name in server expired early elsewhere self-signed ca-as-server; do cat "$work/$name.crt" "$work/$name.key" > $name.pem; done
