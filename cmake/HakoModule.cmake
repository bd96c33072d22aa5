# hako_module(<folder> [PUBLIC <modules and libraries>...] [PRIVATE <libraries>...])
# One static library of all sources in the folder (and below), one test program of its *_test.cc.
# Which modules a module may name is written in docs and enforced by tests/layers_test.py.

add_library(hako_flags INTERFACE)
target_compile_options(hako_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
    -Woverloaded-virtual -Wno-missing-field-initializers -Werror
    -fstack-protector-strong -D_FORTIFY_SOURCE=2)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(hako_flags INTERFACE -U_FORTIFY_SOURCE)
endif()
if(HAKO_FUZZ)
    target_compile_options(hako_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(HAKO_SANITIZE)
    target_compile_options(hako_flags INTERFACE -fsanitize=${HAKO_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(hako_flags INTERFACE -fsanitize=${HAKO_SANITIZE})
endif()

# hako_precompile(TARGET OWNER [HEADERS...]): what most sources include, precompiled once by the
# target OWNER, whose compiler options the others have.
function(hako_precompile target owner)
    if(NOT HAKO_LEAN)
        return()
    endif()
    if(target STREQUAL owner)
        target_precompile_headers(${target} PRIVATE <algorithm> <array> <chrono> <condition_variable>
            <filesystem> <functional> <map> <memory> <mutex> <optional> <span> <string> <string_view>
            <thread> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp> ${ARGN})
    else()
        target_precompile_headers(${target} REUSE_FROM ${owner})
    endif()
endfunction()

# hako_compile_together(TARGET): in a lean build its sources share their compilers' runs. Then names in
# their anonymous namespaces must differ.
function(hako_compile_together target)
    if(NOT HAKO_LEAN)
        return()
    endif()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    # g++ takes sources that are compiled together for headers, and g++ 12 sees uninitialised values
    # and overreads that are not there where more is inlined (GCC bugs 105651, 105562).
    target_compile_options(${target} PRIVATE
        -Wno-subobject-linkage -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overread)
endfunction()

function(hako_module folder)
    cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
    set(name hako_${folder})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS *.h)
    set(tests ${sources})
    list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
    list(FILTER tests INCLUDE REGEX "_test\\.cc$")

    add_library(${name} STATIC ${sources})
    target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src
        FILES ${headers})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} hako_flags)
    set_target_properties(${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
    hako_precompile(${name} hako_base)
    hako_compile_together(${name})

    if(HAKO_TESTS AND tests)
        add_executable(${name}_test ${tests})
        target_link_libraries(${name}_test PRIVATE ${name} ${arg_PRIVATE} hako_flags
            GTest::gmock GTest::gtest_main)
        # A third less to compile; what they test stays optimized.
        target_compile_options(${name}_test PRIVATE -O0 -U_FORTIFY_SOURCE)
        hako_precompile(${name}_test hako_base_test <gmock/gmock.h>)
        hako_add_unit_test(${folder} ${name}_test 300)
    endif()
endfunction()

# hako_add_unit_test(NAME TARGET SECONDS): only what fails is printed, so that nothing hides it.
function(hako_add_unit_test name target seconds)
    add_test(NAME unit.${name} COMMAND ${target})
    set_tests_properties(unit.${name} PROPERTIES ENVIRONMENT GTEST_BRIEF=1 TIMEOUT ${seconds})
endfunction()
