;; Has a memory with addresses of 64 bits.
;;
;; request: load
;; status: 400
;; error: cannot be compiled

(component
(core module
  (memory i64 1))
)
