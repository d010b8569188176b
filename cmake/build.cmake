# How every target here is built.

add_library(syncflow_flags INTERFACE)
target_include_directories(syncflow_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(syncflow_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow=local -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees overflows in std::string's own code once it inlines it (GCC bugs 105329, 105651).
  target_compile_options(syncflow_flags INTERFACE -fpch-preprocess -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
endif()
# Sockets with deadlines and cancellation only: no thread-unsafe shortcuts, no deprecated parts.
target_compile_definitions(syncflow_flags INTERFACE SYNCFLOW_VERSION="${PROJECT_VERSION}")
if(SYNCFLOW_FAILPOINTS)
  target_compile_definitions(syncflow_flags INTERFACE SYNCFLOW_FAILPOINTS)
endif()
if(SYNCFLOW_SANITIZE)
  target_compile_options(syncflow_flags INTERFACE -fsanitize=${SYNCFLOW_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(syncflow_flags INTERFACE -fsanitize=${SYNCFLOW_SANITIZE})
  if(SYNCFLOW_SANITIZE MATCHES thread)
    target_compile_options(syncflow_flags INTERFACE -Wno-tsan)
    target_compile_definitions(syncflow_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  else()
    target_compile_options(syncflow_flags INTERFACE -fno-sanitize-recover=all)
  endif()
endif()
find_program(SYNCFLOW_LLD ld.lld)
if(SYNCFLOW_LLD)
  target_link_options(syncflow_flags INTERFACE -fuse-ld=lld)
endif()

find_program(SYNCFLOW_CCACHE ccache)
if(SYNCFLOW_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SYNCFLOW_CCACHE})
endif()

# syncflow_unite(TARGET): several sources make one unit, where that is wanted. Functions and constants of one folder
# must then have names of their own, those in unnamed namespaces too.
function(syncflow_unite target)
  if(SYNCFLOW_UNITY)
    # A warning for what headers may not do: all that is not the united file counts as one.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# What nearly every source includes, compiled once. Sources of one flavour share it.
set(syncflow_common_headers
  <algorithm> <array> <chrono> <cstdint> <cstring> <functional> <map> <memory> <mutex> <optional> <span>
  <stop_token> <string> <string_view> <thread> <unordered_map> <utility> <vector>
  <boost/json.hpp> <fmt/core.h>)
if(SYNCFLOW_PCH)
  file(WRITE ${CMAKE_BINARY_DIR}/pch/pch.cpp "")
  add_library(syncflow_pch OBJECT ${CMAKE_BINARY_DIR}/pch/pch.cpp)
  # The macros of these libraries must be the same where the header is made and where it is used.
  target_link_libraries(syncflow_pch PUBLIC syncflow_flags Boost::json Boost::url fmt::fmt spdlog::spdlog)
  target_precompile_headers(syncflow_pch PRIVATE ${syncflow_common_headers})
endif()

function(syncflow_reuse_pch target)
  if(SYNCFLOW_PCH)
    target_precompile_headers(${target} REUSE_FROM syncflow_pch)
  endif()
endfunction()

# Code that only tests run: full of macros that take long to optimise, which nobody waits for when it runs. What it
# calls is built with everything.
add_library(syncflow_test_flags INTERFACE)
target_compile_options(syncflow_test_flags INTERFACE -O0)
if(SYNCFLOW_SANITIZE MATCHES undefined)
  target_compile_options(syncflow_test_flags INTERFACE -fno-sanitize=vptr,null,alignment,object-size)
endif()

# syncflow_test_code(TARGET): builds it as such.
function(syncflow_test_code target)
  target_link_libraries(${target} PRIVATE syncflow_flags syncflow_test_flags)
  if(NOT SYNCFLOW_PCH)
    return()
  endif()
  if(NOT TARGET syncflow_test_pch)
    file(WRITE ${CMAKE_BINARY_DIR}/pch/test_pch.cpp "")
    add_library(syncflow_test_pch OBJECT ${CMAKE_BINARY_DIR}/pch/test_pch.cpp)
    target_link_libraries(syncflow_test_pch PUBLIC syncflow_flags syncflow_test_flags Boost::json Boost::url fmt::fmt
      spdlog::spdlog GTest::gmock)
    target_precompile_headers(syncflow_test_pch PRIVATE ${syncflow_common_headers} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM syncflow_test_pch)
endfunction()

# syncflow_library(FOLDER [TEST_CODE] [LINKS target...]): a library of the sources in src/FOLDER, tests left out.
# The folder `providers` itself holds only the registry; a folder without sources gives an interface.
function(syncflow_library folder)
  cmake_parse_arguments(ARG "TEST_CODE" "" "LINKS" ${ARGN})
  string(REPLACE "/" "_" target ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "(_test|/test_[a-z0-9_]*)\\.cpp$")
  if(sources)
    add_library(${target} STATIC ${sources})
    if(ARG_TEST_CODE)
      syncflow_test_code(${target})
    else()
      syncflow_reuse_pch(${target})
      syncflow_unite(${target})
    endif()
    target_link_libraries(${target} PUBLIC syncflow_flags ${ARG_LINKS})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE syncflow_flags ${ARG_LINKS})
  endif()
endfunction()

# syncflow_heavy_sources(FILE...): sources full of Beast and Asio. With every check of UBSan each takes over a
# minute to compile; these checks cost most and find least in templates that are not ours.
function(syncflow_heavy_sources)
  if(SYNCFLOW_SANITIZE MATCHES undefined)
    set_source_files_properties(${ARGN} PROPERTIES
      COMPILE_OPTIONS "-fno-sanitize=vptr,null,alignment,object-size")
  endif()
endfunction()

# syncflow_program(NAME FOLDER [LINKS target...]): the program, with all but main.cpp in NAME_app for tests.
function(syncflow_program name folder)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cpp$")
  if(sources)
    add_library(${name}_app STATIC ${sources})
    target_link_libraries(${name}_app PUBLIC syncflow_flags ${ARG_LINKS})
    syncflow_reuse_pch(${name}_app)
    syncflow_unite(${name}_app)
  else()
    add_library(${name}_app INTERFACE)
    target_link_libraries(${name}_app INTERFACE syncflow_flags ${ARG_LINKS})
  endif()
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/${folder}/main.cpp)
    add_executable(${name} ${CMAKE_SOURCE_DIR}/src/${folder}/main.cpp)
    target_link_libraries(${name} PRIVATE ${name}_app)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  endif()
endfunction()

# syncflow_tests(FOLDER [LABELS label...] [LINKS target...]): one test binary of the *_test.cpp in src/FOLDER,
# and of what they share in test_*.cpp.
function(syncflow_tests folder)
  cmake_parse_arguments(ARG "" "" "LABELS;LINKS" ${ARGN})
  string(REPLACE "/" "_" target ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*_test.cpp
    ${CMAKE_SOURCE_DIR}/src/${folder}/test_*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${target}_test ${sources})
  syncflow_test_code(${target}_test)
  target_link_libraries(${target}_test PRIVATE ${ARG_LINKS} testkit GTest::gmock GTest::gtest_main)
  if(TARGET ${target})
    target_link_libraries(${target}_test PRIVATE ${target})
  endif()
  # What the ThreadSanitizer preset builds.
  if("tsan" IN_LIST ARG_LABELS)
    if(NOT TARGET tsan_tests)
      add_custom_target(tsan_tests)
    endif()
    add_dependencies(tsan_tests ${target}_test)
  endif()
  gtest_discover_tests(${target}_test
    TEST_PREFIX "${folder}/" DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 300 LABELS "${ARG_LABELS}")
endfunction()
