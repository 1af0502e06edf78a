# tcgen05_sm100 on the functional GPU.
if(CUDAToolkit_VERSION VERSION_LESS 12.8)  # the first nvcc that knows sm_100a
  return()
endif()
assay_ptx(tcgen05_sm100 ${CMAKE_SOURCE_DIR}/kernels/gemm/sm100/tcgen05.cu 100a)
assay_ptx(tcgen05_scaled_sm100 ${CMAKE_SOURCE_DIR}/kernels/gemm/sm100/tcgen05_scaled.cu 100a)

assay_library(assay_tcgen05_on_simt SOURCES tcgen05_on_simt.cpp
              ${CMAKE_SOURCE_DIR}/kernels/gemm/reference.cpp ${CMAKE_SOURCE_DIR}/kernels/gemm/small_float_values.cpp
              ${CMAKE_SOURCE_DIR}/kernels/gemm/sm100/tcgen05_config.cpp
              LINK assay_simt assay_kernels_common)
assay_simt_test(simt_tcgen05_sm100_test SOURCES tcgen05_sm100_test.cpp LINK assay_tcgen05_on_simt
                PTX tcgen05_sm100 tcgen05_scaled_sm100 TIMEOUT 600)

add_executable(tcgen05_probe tcgen05_probe.cpp)
target_link_libraries(tcgen05_probe PRIVATE assay_tcgen05_on_simt)
assay_mutants(simt_tcgen05_mutants tcgen05_mutants.py)
