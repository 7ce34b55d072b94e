# Third-party libraries as targets vx6::<name>. What the distribution serves comes through pkg-config; wolfSSL, ngtcp2
# and libmicrohttpd come from the private prefix of cmake/deps (built there once, when missing).

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(vx6_pkg name module)
	pkg_check_modules(VX6_PKG_${name} REQUIRED QUIET IMPORTED_TARGET GLOBAL "${module}")
	add_library(vx6::${name} ALIAS PkgConfig::VX6_PKG_${name})
endfunction()

vx6_pkg(sodium "libsodium>=1.0.18")
vx6_pkg(uv "libuv>=1.44")
vx6_pkg(sqlite "sqlite3>=3.40")
vx6_pkg(cjson "libcjson>=1.7.15")
vx6_pkg(yaml "yaml-0.1")
vx6_pkg(cmocka "cmocka>=1.1.5")

# Without it the DHT knows no autonomous systems and refuses a map of them; everything else works.
add_library(vx6_maxminddb INTERFACE)
pkg_check_modules(VX6_PKG_maxminddb QUIET IMPORTED_TARGET libmaxminddb)
if(VX6_PKG_maxminddb_FOUND)
	target_link_libraries(vx6_maxminddb INTERFACE PkgConfig::VX6_PKG_maxminddb)
	target_compile_definitions(vx6_maxminddb INTERFACE VX6_HAVE_MAXMINDDB)
endif()
add_library(vx6::maxminddb ALIAS vx6_maxminddb)

# libcurl gives its headers only: the command line opens it when it needs it (docs/adr/0002-libcurl-by-dlopen.md).
pkg_check_modules(VX6_PKG_curl REQUIRED QUIET libcurl)
add_library(vx6_curl INTERFACE)
target_include_directories(vx6_curl SYSTEM INTERFACE ${VX6_PKG_curl_INCLUDE_DIRS})
target_link_libraries(vx6_curl INTERFACE ${CMAKE_DL_LIBS})
add_library(vx6::curl ALIAS vx6_curl)

if(VX6_DEPS_PREFIX)
	set(vx6_prefix "${VX6_DEPS_PREFIX}")
else()
	execute_process(COMMAND "${CMAKE_SOURCE_DIR}/cmake/deps/build.sh"
		OUTPUT_VARIABLE vx6_prefix OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
message(STATUS "Private libraries: ${vx6_prefix}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/cmake/deps/versions.sh")

# vx6_prefix_library(NAME ARCHIVE [LIBS])
function(vx6_prefix_library name archive)
	add_library(vx6::${name} STATIC IMPORTED GLOBAL)
	set_target_properties(vx6::${name} PROPERTIES IMPORTED_LOCATION "${vx6_prefix}/lib/${archive}"
		INTERFACE_INCLUDE_DIRECTORIES "${vx6_prefix}/include")
	target_link_libraries(vx6::${name} INTERFACE ${ARGN})
endfunction()

vx6_prefix_library(wolfssl libwolfssl.a m Threads::Threads)
vx6_prefix_library(ngtcp2_core libngtcp2.a)
vx6_prefix_library(ngtcp2 libngtcp2_crypto_wolfssl.a vx6::ngtcp2_core vx6::wolfssl)
vx6_prefix_library(microhttpd libmicrohttpd.a Threads::Threads)
