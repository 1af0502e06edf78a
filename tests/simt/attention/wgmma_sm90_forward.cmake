# wgmma_sm90's forward pass on the functional GPU.
foreach(dtype bf16 f16 e4m3)
  assay_ptx(wgmma_forward_${dtype}_sm90 ${CMAKE_SOURCE_DIR}/kernels/attention/sm90/wgmma_forward_${dtype}.cu 90a)
endforeach()
assay_library(assay_wgmma_sm90_forward_on_simt
              SOURCES wgmma_sm90_forward_on_simt.cpp
              LINK assay_simt assay_attention)
add_executable(wgmma_sm90_forward_probe wgmma_sm90_forward_probe.cpp)
target_link_libraries(wgmma_sm90_forward_probe PRIVATE assay_wgmma_sm90_forward_on_simt)
target_compile_definitions(wgmma_sm90_forward_probe PRIVATE ASSAY_PTX_DIR="${CMAKE_CURRENT_BINARY_DIR}")
assay_simt_test(simt_wgmma_sm90_forward_test SOURCES wgmma_sm90_forward_test.cpp LINK assay_wgmma_sm90_forward_on_simt
                PTX wgmma_forward_bf16_sm90 wgmma_forward_f16_sm90 TIMEOUT 600)
assay_mutants(simt_wgmma_sm90_forward_mutants wgmma_sm90_forward_mutants.py)
assay_simt_test(simt_wgmma_sm90_forward_e4m3_test SOURCES wgmma_sm90_forward_e4m3_test.cpp
                LINK assay_wgmma_sm90_forward_on_simt PTX wgmma_forward_e4m3_sm90 TIMEOUT 600)
assay_mutants(simt_wgmma_sm90_forward_e4m3_mutants wgmma_sm90_forward_e4m3_mutants.py)

foreach(dtype bf16 e4m3)
  add_test(NAME wgmma_sm90_forward_${dtype}_overlap
    COMMAND Python3::Interpreter -B ${CMAKE_CURRENT_SOURCE_DIR}/wgmma_sm90_forward_overlap_test.py
    ${CMAKE_CURRENT_BINARY_DIR}/wgmma_forward_${dtype}_sm90.ptx)
endforeach()
add_test(NAME wgmma_sm90_forward_overlap_self_test
  COMMAND Python3::Interpreter -B ${CMAKE_CURRENT_SOURCE_DIR}/wgmma_sm90_forward_overlap_test.py --self-test)
set_tests_properties(wgmma_sm90_forward_bf16_overlap wgmma_sm90_forward_e4m3_overlap wgmma_sm90_forward_overlap_self_test
  PROPERTIES LABELS simt)
