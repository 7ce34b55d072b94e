# vx6_layer(), vx6_program(), vx6_unit_test(), vx6_fuzz(): what the CMakeLists.txt of a folder is written with.

# vx6_add_folder(DIR): add_subdirectory when DIR has a CMakeLists.txt; one that appears later is noticed by the next build.
function(vx6_add_folder dir)
	file(GLOB found CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${dir}/CMakeLists.txt")
	if(found)
		add_subdirectory("${dir}")
	endif()
endfunction()

# vx6_read_layers(FILE): sets VX6_LAYERS (agent layers, lowest first) and VX6_ALLOW_<layer> (what it may use).
function(vx6_read_layers file)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
	file(STRINGS "${file}" lines REGEX "^[a-z]+:")
	foreach(line IN LISTS lines)
		string(REGEX REPLACE "#.*" "" line "${line}")
		string(REGEX MATCH "^[a-z]+" layer "${line}")
		string(REGEX REPLACE "^[a-z]+:" "" deps "${line}")
		string(REGEX REPLACE "![^ ]+" "" deps "${deps}")
		separate_arguments(deps)
		list(APPEND layers ${layer})
		set(VX6_ALLOW_${layer} "${deps}" PARENT_SCOPE)
	endforeach()
	list(REMOVE_ITEM layers api)
	set(VX6_LAYERS "${layers}" PARENT_SCOPE)
endfunction()

# vx6_layer(NAME [SRC file...] [DEPS layer...] [LIBS vx6::lib...])
#
# One static library vx6_<NAME> with an explicit source list. DEPS names layers that agent/LAYERS allows to this one
# (left out: all of them). LIBS are third-party targets; they stay private to the sources but follow to the link.
# A part of the API is named api_<part> and lives under the line `api`.
function(vx6_layer name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SRC;DEPS;LIBS")
	if(arg_UNPARSED_ARGUMENTS)
		message(FATAL_ERROR "vx6_layer(${name}): what is ${arg_UNPARSED_ARGUMENTS}?")
	endif()
	string(REGEX REPLACE "_.*" "" line "${name}")
	set(allowed ${VX6_ALLOW_${line}})
	if(NOT DEFINED arg_DEPS)
		set(arg_DEPS ${allowed})
	endif()
	if(arg_SRC)
		add_library(vx6_${name} STATIC ${arg_SRC})
		set(scope PUBLIC)
		target_link_libraries(vx6_${name} PRIVATE vx6_warnings vx6_strict ${arg_LIBS})
	else()
		add_library(vx6_${name} INTERFACE)
		set(scope INTERFACE)
	endif()
	target_include_directories(vx6_${name} ${scope} "${CMAKE_SOURCE_DIR}/agent")
	if(line STREQUAL "api")
		target_include_directories(vx6_${name} ${scope} "${CMAKE_SOURCE_DIR}")
	endif()
	foreach(dep IN LISTS arg_DEPS)
		if(NOT dep IN_LIST allowed AND NOT dep MATCHES "^${line}_")
			message(FATAL_ERROR "agent/LAYERS does not allow ${name} to use ${dep}")
		elseif(TARGET vx6_${dep})
			target_link_libraries(vx6_${name} ${scope} vx6_${dep})
		else()
			message(STATUS "${name}: layer ${dep} is not there yet")
		endif()
	endforeach()
endfunction()

# vx6_program(MAIN PART...): the program vx6 from its main file and the parts that it starts.
function(vx6_program main)
	add_executable(vx6 ${main})
	set_target_properties(vx6 PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${VX6_PROGRAM_DIR}")
	target_link_libraries(vx6 PRIVATE vx6_warnings vx6_strict vx6_program_link)
	foreach(part IN LISTS ARGN)
		target_link_libraries(vx6 PRIVATE vx6_${part})
	endforeach()
endfunction()

# The sanitizers stop at the first finding; leaks count.
set(VX6_TEST_ENV "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
	"UBSAN_OPTIONS=print_stacktrace=1" "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

function(vx6_test_common target layer)
	target_link_libraries(${target} PRIVATE vx6_warnings "$<LINK_LIBRARY:WHOLE_ARCHIVE,vx6_${layer}>")
	target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/agent")
	foreach(lib IN LISTS ARGN)
		if(TARGET vx6_${lib})
			target_link_libraries(${target} PRIVATE vx6_${lib})
		else()
			target_link_libraries(${target} PRIVATE ${lib})
		endif()
	endforeach()
endfunction()

# vx6_unit_test(LAYER FILE [layer or library...])
#
# A cmocka program that links LAYER whole and only what is below it: a call upwards does not link. It runs in the
# source root, so that `schemas/vectors/...` opens. More source files for the test: target_sources(unit_LAYER_x ...).
function(vx6_unit_test layer file)
	cmake_path(GET file STEM stem)
	string(REGEX REPLACE "^test_" "" stem "${stem}")
	set(target unit_${layer}_${stem})
	add_executable(${target} ${file})
	vx6_test_common(${target} ${layer} vx6::cmocka ${ARGN})
	add_test(NAME ${target} COMMAND ${VX6_TEST_LAUNCHER} $<TARGET_FILE:${target}> WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
	set_tests_properties(${target} PROPERTIES LABELS unit TIMEOUT 60 ENVIRONMENT "${VX6_TEST_ENV}")
endfunction()

# vx6_virtual_time(TARGET): the clock of this unit test's loop jumps to the next timer instead of sleeping. For what has no
# descriptors, such as links in memory (tests/unit/vtime.c).
function(vx6_virtual_time target)
	target_sources(${target} PRIVATE "${CMAKE_SOURCE_DIR}/tests/unit/vtime.c")
	target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/tests/unit")
	target_link_options(${target} PRIVATE "LINKER:--wrap=vx6_now_ns,--wrap=vx6_now_ms,--wrap=timerfd_settime")
endfunction()

# vx6_fuzz(NAME FILE LAYER [layer or library...])
#
# FILE defines LLVMFuzzerTestOneInput for the program fuzz_NAME. The fuzz preset links libFuzzer; every other preset
# links tests/fuzz/replay.c, which feeds it each file of tests/fuzz/corpus/NAME and all their beginnings.
function(vx6_fuzz name file layer)
	set(target fuzz_${name})
	add_executable(${target} ${file})
	vx6_test_common(${target} ${layer} ${ARGN})
	if(VX6_FUZZ)
		target_link_options(${target} PRIVATE -fsanitize=fuzzer)
	else()
		target_sources(${target} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c")
	endif()
	set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
	if(VX6_FUZZ)
		add_test(NAME ${target} COMMAND ${VX6_TEST_LAUNCHER} $<TARGET_FILE:${target}> -runs=0 "${corpus}")
	else()
		add_test(NAME ${target} COMMAND ${VX6_TEST_LAUNCHER} $<TARGET_FILE:${target}> "${corpus}")
	endif()
	set_tests_properties(${target} PROPERTIES LABELS fuzz TIMEOUT 120 ENVIRONMENT "${VX6_TEST_ENV}")
endfunction()
