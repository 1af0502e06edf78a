# assay_ptx(NAME SOURCE.cu ARCHITECTURE): compiles to ${CMAKE_CURRENT_BINARY_DIR}/NAME.ptx, as target NAME_ptx.
# Rebuilt when the source or anything it includes changes.
function(assay_ptx name source architecture)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${name}.ptx)
  get_filename_component(absolute ${source} ABSOLUTE)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${ASSAY_CCACHE} ${CMAKE_CUDA_COMPILER} -ptx -O3 -std=c++17 -lineinfo -I${CMAKE_SOURCE_DIR}
            -gencode arch=compute_${architecture},code=compute_${architecture}
            -MD -MF ${output}.d -o ${output} ${absolute}
    DEPENDS ${absolute}
    DEPFILE ${output}.d
    COMMENT "PTX ${name} (sm_${architecture})"
    VERBATIM)
  add_custom_target(${name}_ptx ALL DEPENDS ${output})
endfunction()

# assay_simt_test(NAME SOURCES a_test.cpp ... PTX name ... [LINK ...] [LABELS ...] [TIMEOUT s]): a GoogleTest program on
# the functional GPU.  ASSAY_PTX_DIR is the folder that its PTX files are built into.
function(assay_simt_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINK;LABELS;ARGUMENTS;PTX")
  assay_test(${name} SOURCES ${arg_SOURCES} LINK assay_simt ${arg_LINK} LABELS simt ${arg_LABELS}
             TIMEOUT ${arg_TIMEOUT} ARGUMENTS ${arg_ARGUMENTS})
  target_compile_definitions(${name} PRIVATE ASSAY_PTX_DIR="${CMAKE_CURRENT_BINARY_DIR}")
  foreach(ptx ${arg_PTX})
    add_dependencies(${name} ${ptx}_ptx)
  endforeach()
endfunction()

# assay_mutants(NAME LIST.py): a ctest that plants the list's quick bugs; `python3 LIST.py --all ...` plants them all.
function(assay_mutants name list)
  add_test(NAME ${name}
           COMMAND ${CMAKE_COMMAND} -E env PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/simt PYTHONDONTWRITEBYTECODE=1
                   python3 ${CMAKE_CURRENT_SOURCE_DIR}/${list} --root ${CMAKE_SOURCE_DIR} --build ${CMAKE_BINARY_DIR}
                   --nvcc ${CMAKE_CUDA_COMPILER})
  set_tests_properties(${name} PROPERTIES LABELS "simt;mutants" TIMEOUT 600)
endfunction()
