# Language, warnings, sanitizers and hardening: what every target of the project is compiled with.

set(VX6_SANITIZE "" CACHE STRING "Sanitizers for the whole build: address,undefined or thread")
option(VX6_FUZZ "Build the fuzz targets against libFuzzer (clang); otherwise they replay their corpus" OFF)
set(VX6_PROGRAM_DIR "${CMAKE_BINARY_DIR}" CACHE PATH "Where the program vx6 lands")
set(VX6_DEPS_PREFIX "" CACHE PATH "Prefix with wolfSSL, ngtcp2 and libmicrohttpd; empty: cmake/deps/build.sh")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Nowhere -DNDEBUG: assertions state bugs, and a release must not run past one.
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

find_program(CCACHE ccache)
if(CCACHE)
	set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
endif()

add_compile_definitions(_GNU_SOURCE VX6_VERSION="${PROJECT_VERSION}")

# vx6_warnings is linked by every target of ours and by no third-party one.
add_library(vx6_warnings INTERFACE)
target_compile_options(vx6_warnings INTERFACE
	-Wall -Wextra -Werror
	-Wshadow -Wvla -Walloca -Wundef -Wformat=2 -Wwrite-strings -Wpointer-arith -Wdouble-promotion
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wimplicit-fallthrough
	-Wno-unused-parameter           # callbacks have the shape that their caller wants
	-Wno-missing-field-initializers # zero is what a left-out field means
	$<$<C_COMPILER_ID:GNU>:-Wlogical-op -Wduplicated-cond -Wtrampolines>)

# A silent narrowing is how a length check goes wrong; signedness alone is not worth the casts. Not for tests.
add_library(vx6_strict INTERFACE)
target_compile_options(vx6_strict INTERFACE -Wconversion -Wno-sign-conversion)

# vx6_program_link holds what only the finished program gets. Unit tests must not: --gc-sections would hide an
# undefined reference to a layer above.
add_library(vx6_program_link INTERFACE)

if(VX6_SANITIZE)
	set(sanitize "-fsanitize=${VX6_SANITIZE}" -fno-sanitize-recover=all)
	add_compile_options(${sanitize})
	add_link_options(${sanitize})
	if(VX6_FUZZ)
		add_compile_options(-fsanitize=fuzzer-no-link)
	endif()
	# High-entropy address randomisation places mappings where the sanitizers of LLVM 14 keep their shadow.
	find_program(SETARCH setarch)
	execute_process(COMMAND "${SETARCH}" -R true RESULT_VARIABLE refused OUTPUT_QUIET ERROR_QUIET)
	if(SETARCH AND NOT refused)
		set(VX6_TEST_LAUNCHER "${SETARCH}" -R)
	endif()
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
	add_compile_options(-ffunction-sections -fdata-sections -fstack-protector-strong -fstack-clash-protection)
	if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
		add_compile_options(-fcf-protection)
	endif()
	if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
		add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
	else()
		add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
	endif()
	add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
	target_link_options(vx6_program_link INTERFACE -Wl,--gc-sections -Wl,--as-needed)
endif()
