# wgmma_sm90's backward pass on the functional GPU.
assay_ptx(wgmma_sm90_backward ${CMAKE_SOURCE_DIR}/kernels/attention/sm90/wgmma_backward.cu 90a)
assay_simt_test(simt_wgmma_sm90_backward_test
                SOURCES wgmma_sm90_backward_test.cpp gradients_on_simt.cpp
                        ${CMAKE_SOURCE_DIR}/tests/kernels/attention/gradients.cpp
                PTX wgmma_sm90_backward LINK assay_attention TIMEOUT 900)
assay_mutants(simt_wgmma_sm90_backward_mutants wgmma_sm90_backward_mutants.py)
