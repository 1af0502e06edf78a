# wgmma_fp8_sm90 on the functional GPU.
assay_ptx(wgmma_fp8_sm90 ${CMAKE_SOURCE_DIR}/kernels/gemm/sm90/wgmma_fp8.cu 90a)
set(gemm ${CMAKE_SOURCE_DIR}/kernels/gemm)
assay_library(assay_wgmma_fp8_sm90_on_simt
              SOURCES wgmma_fp8_sm90_on_simt.cpp problem_on_simt.cpp ${gemm}/reference.cpp ${gemm}/small_float_values.cpp
              ${gemm}/sm90/wgmma_fp8.cpp ${gemm}/sm90/wgmma.cpp ${gemm}/sm90/wgmma_config.cpp
              LINK assay_simt assay_kernels_common)
assay_simt_test(simt_wgmma_fp8_sm90_test SOURCES wgmma_fp8_sm90_test.cpp LINK assay_wgmma_fp8_sm90_on_simt
                PTX wgmma_fp8_sm90 TIMEOUT 600)

# Planted bugs, each of which must be noticed: one instance at a time is compiled, and run by this program.
add_executable(wgmma_fp8_sm90_probe wgmma_fp8_sm90_probe.cpp)
target_link_libraries(wgmma_fp8_sm90_probe PRIVATE assay_wgmma_fp8_sm90_on_simt)
assay_mutants(simt_wgmma_fp8_sm90_mutants wgmma_fp8_sm90_mutants.py)
