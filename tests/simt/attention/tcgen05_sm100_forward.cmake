# tcgen05_sm100's forward pass on the functional GPU.
if(CUDAToolkit_VERSION VERSION_LESS 12.9)  # the first nvcc that knows sm_103a
  return()
endif()
foreach(dtype bf16 f16 e4m3)
  assay_ptx(tcgen05_forward_${dtype}_sm100 ${CMAKE_SOURCE_DIR}/kernels/attention/sm100/tcgen05_forward_${dtype}.cu 100a)
endforeach()
assay_library(assay_tcgen05_sm100_forward_on_simt
              SOURCES tcgen05_sm100_forward_on_simt.cpp
              LINK assay_wgmma_sm90_forward_on_simt)
add_executable(tcgen05_sm100_forward_probe tcgen05_sm100_forward_probe.cpp)
target_link_libraries(tcgen05_sm100_forward_probe PRIVATE assay_tcgen05_sm100_forward_on_simt)
target_compile_definitions(tcgen05_sm100_forward_probe PRIVATE ASSAY_PTX_DIR="${CMAKE_CURRENT_BINARY_DIR}")
assay_ptx(tcgen05_forward_sm103 probes/tcgen05_forward_d128.cu 103a)
assay_simt_test(simt_tcgen05_sm100_forward_test SOURCES tcgen05_sm100_forward_test.cpp
                LINK assay_tcgen05_sm100_forward_on_simt
                PTX tcgen05_forward_bf16_sm100 tcgen05_forward_f16_sm100 tcgen05_forward_sm103 TIMEOUT 600)
assay_mutants(simt_tcgen05_sm100_forward_mutants tcgen05_sm100_forward_mutants.py)
assay_simt_test(simt_tcgen05_sm100_forward_e4m3_test SOURCES tcgen05_sm100_forward_e4m3_test.cpp
                LINK assay_tcgen05_sm100_forward_on_simt PTX tcgen05_forward_e4m3_sm100 TIMEOUT 600)
assay_mutants(simt_tcgen05_sm100_forward_e4m3_mutants tcgen05_sm100_forward_e4m3_mutants.py)
