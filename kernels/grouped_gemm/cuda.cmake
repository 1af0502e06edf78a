# Included where CUDA was found: the CUDA rows of the grouped GEMM table.
target_sources(assay_grouped_gemm PRIVATE cuda_kernels.cpp)
assay_cuda_sources(assay_grouped_gemm wgmma_bf16_sm90.cu wgmma_f16_sm90.cu)
if(ASSAY_HAS_SM90)
  target_sources(assay_grouped_gemm PRIVATE wgmma_sm90.cpp wgmma_sm90_config.cpp wgmma_sm90_row.cpp)
endif()
if(ASSAY_HAS_CUBLASLT)  # headers; the library itself is loaded at run time
  target_sources(assay_grouped_gemm PRIVATE cublas_grouped.cpp cublas_library.cpp)
  target_include_directories(assay_grouped_gemm SYSTEM PRIVATE ${ASSAY_CUBLASLT_INCLUDE})
  set_source_files_properties(cublas_library.cpp PROPERTIES
    COMPILE_DEFINITIONS ASSAY_CUDA_LIBRARY_DIR="${CUDAToolkit_LIBRARY_DIR}")
endif()
