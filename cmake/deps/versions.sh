# shellcheck shell=bash disable=SC2034
# What VX6 builds from source, why, and how: read by build.sh, and hashed into the name of the cached prefix.
# A row of VX6_DEPS: name | file | SHA-256 | Debian pool folder | upstream address of the same release
#
# wolfSSL:        Debian 12's has no QUIC, Debian 13's has no AES-NI.
# ngtcp2:         Debian packages only the GnuTLS helper.
# libmicrohttpd:  Debian's links GnuTLS for HTTPS, which costs every agent 2.3 MB of memory; ours serves plain HTTP on
#                 a unix socket and on loopback (docs/adr/0001-libmicrohttpd-without-https.md).
VX6_DEPS=(
	"wolfssl|wolfssl_5.9.2.orig.tar.gz|2f4ef3d4fd387a9b3191d36a6316d69116c46ff69bb9583b6c82b36d7b8ca114|pool/main/w/wolfssl|https://github.com/wolfSSL/wolfssl/archive/refs/tags/v5.9.2-stable.tar.gz"
	"ngtcp2|ngtcp2_1.24.0.orig.tar.xz|7fa5ec2be0f0cbed8bc4ec89c0787dfa9d8ce678f1ed9477c52f30eb1a591207|pool/main/n/ngtcp2|https://github.com/ngtcp2/ngtcp2/releases/download/v1.24.0/ngtcp2-1.24.0.tar.xz"
	"libmicrohttpd|libmicrohttpd_1.0.1.orig.tar.gz|a89e09fc9b4de34dde19f4fcb4faaa1ce10299b9908db1132bbfa1de47882b94|pool/main/libm/libmicrohttpd|https://ftp.gnu.org/gnu/libmicrohttpd/libmicrohttpd-1.0.1.tar.gz"
)

# One section a function and a datum, so that the linker drops what the program does not use.
VX6_DEPS_CFLAGS="-O2 -g0 -fPIC -ffunction-sections -fdata-sections -fstack-protector-strong"

# --enable-rpk must come with WOLFSSL_ALWAYS_VERIFY_CB: without it the verify callback is never called for a raw public
# key and any key passes. --enable-aesecb and --enable-session-ticket are what ngtcp2's helper links; tickets stay off.
# --enable-keylog-export is left out on purpose: the library would write TLS secrets.
WOLFSSL_CPPFLAGS="-DHAVE_SECRET_CALLBACK -DWOLFSSL_ALWAYS_VERIFY_CB"
WOLFSSL_FLAGS=(
	--enable-static --disable-shared --with-pic
	--enable-quic --enable-rpk --enable-session-ticket --enable-alpn
	--enable-ed25519 --enable-curve25519 --enable-keygen --enable-keying-material
	--enable-aesgcm-stream --enable-aesecb --enable-aesctr --enable-sha3 --enable-shake256
	--disable-tlsv12 --disable-oldtls --disable-rsa --disable-dh --disable-md5 --disable-pkcs12 --disable-mlkem
	--disable-examples --disable-crypttests
)
# The assembly that makes AES-GCM fast on this machine's kind of processor.
case "$(uname -m)" in
x86_64) WOLFSSL_FLAGS+=(--enable-intelasm) ;;
aarch64) WOLFSSL_FLAGS+=(--enable-armasm) ;;
esac

BBR_LOSS_PER_CENT=10
NGTCP2_FLAGS=(--enable-lib-only --with-wolfssl --enable-static --disable-shared --with-pic)

LIBMICROHTTPD_FLAGS=(
	--enable-static --disable-shared --with-pic
	--disable-https --disable-curl --disable-doc --disable-examples --disable-tools --disable-nls
	--disable-bauth --disable-dauth --disable-cookie --disable-postprocessor
	--enable-httpupgrade --enable-messages
)
