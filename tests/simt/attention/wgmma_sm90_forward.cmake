# wgmma_sm90's forward pass on the functional GPU.
foreach(dtype bf16 f16)
  assay_ptx(wgmma_forward_${dtype}_sm90 ${CMAKE_SOURCE_DIR}/kernels/attention/wgmma_forward_${dtype}_sm90.cu 90a)
endforeach()
assay_library(assay_wgmma_sm90_forward_on_simt
              SOURCES wgmma_sm90_forward_on_simt.cpp ${CMAKE_SOURCE_DIR}/kernels/attention/wgmma_sm90_forward.cpp
              LINK assay_simt assay_attention)
add_executable(wgmma_sm90_forward_probe wgmma_sm90_forward_probe.cpp)
target_link_libraries(wgmma_sm90_forward_probe PRIVATE assay_wgmma_sm90_forward_on_simt)
target_compile_definitions(wgmma_sm90_forward_probe PRIVATE ASSAY_PTX_DIR="${CMAKE_CURRENT_BINARY_DIR}")
