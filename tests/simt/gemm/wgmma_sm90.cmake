# wgmma_sm90 on the functional GPU.
foreach(dtype bf16 f16 tf32)
  assay_ptx(wgmma_${dtype}_sm90 ${CMAKE_SOURCE_DIR}/kernels/gemm/sm90/wgmma_${dtype}.cu 90a)
endforeach()
assay_library(assay_wgmma_sm90_on_simt SOURCES wgmma_sm90_on_simt.cpp ${CMAKE_SOURCE_DIR}/kernels/gemm/sm90/wgmma.cpp
              ${CMAKE_SOURCE_DIR}/kernels/gemm/sm90/wgmma_config.cpp LINK assay_simt assay_kernels_common)
add_executable(wgmma_sm90_probe wgmma_sm90_probe.cpp)
target_link_libraries(wgmma_sm90_probe PRIVATE assay_wgmma_sm90_on_simt)
assay_simt_test(simt_wgmma_sm90_test SOURCES wgmma_sm90_test.cpp LINK assay_wgmma_sm90_on_simt
                PTX wgmma_bf16_sm90 wgmma_f16_sm90 wgmma_tf32_sm90 TIMEOUT 600)
assay_mutants(simt_wgmma_sm90_mutants wgmma_sm90_mutants.py)
