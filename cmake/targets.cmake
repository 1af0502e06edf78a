# One way to declare a library and one to declare a test.  Includes are written from the root of the tree.
find_program(ASSAY_CCACHE ccache)
if(ASSAY_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ASSAY_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${ASSAY_CCACHE})
endif()

add_library(assay_options INTERFACE)
target_include_directories(assay_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(assay_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
if(ASSAY_WERROR)
  target_compile_options(assay_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(ASSAY_SANITIZE)
  target_compile_options(assay_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${ASSAY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g>)
  target_link_options(assay_options INTERFACE -fsanitize=${ASSAY_SANITIZE})
endif()
if(ASSAY_HAS_CUDA)
  target_compile_options(assay_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo -Xcompiler=-Wall>)
  # The CUDA runtime, by the one name that libraries link it by.  A program with ASSAY_ON_SIMT set is linked with the
  # stand-in of tests/simt/runtime instead, from the same objects.
  add_library(assay_cuda_runtime INTERFACE)
  target_link_libraries(assay_cuda_runtime INTERFACE
    $<IF:$<BOOL:$<TARGET_PROPERTY:ASSAY_ON_SIMT>>,assay_simt_runtime,CUDA::cudart_static>)
endif()

# assay_library(NAME SOURCES a.cpp ... LINK other ...)
function(assay_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  if(NOT arg_SOURCES)  # headers alone
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE assay_options ${arg_LINK})
    return()
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC assay_options ${arg_LINK})
endfunction()

# assay_cuda_sources(TARGET a.cu b_sm90.cu sm90/c.cu ...): compiled for the architectures that their names allow
# (capabilities.cmake).  Files of a family that is not built are left out; ASSAY_HAS_SM90 and ASSAY_HAS_SM100 tell C++.
function(assay_cuda_sources target)
  foreach(source ${ARGN})
    set(architectures ${ASSAY_CUDA_ARCHITECTURES})
    list(FILTER architectures EXCLUDE REGEX "-virtual$")
    if(source MATCHES "(^|[_/])sm90(/[^/]+)?\\.cu$")
      set(architectures ${ASSAY_SM90_ARCHITECTURES})
    elseif(source MATCHES "(^|[_/])sm100(/[^/]+)?\\.cu$")
      set(architectures ${ASSAY_SM100_ARCHITECTURES})
    endif()
    if(architectures)
      assay_gencode("${architectures}" flags)
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${flags}")
      target_sources(${target} PRIVATE ${source})
    endif()
  endforeach()
endfunction()

# assay_test(NAME SOURCES a_test.cpp ... LINK lib ... [LABELS l ...] [TIMEOUT seconds]): a GoogleTest program, one ctest
function(assay_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINK;LABELS;ARGUMENTS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE assay_options ${arg_LINK} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGUMENTS})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()
