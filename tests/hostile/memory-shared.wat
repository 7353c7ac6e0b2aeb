;; Has a memory that threads share.
;;
;; request: load
;; status: 400
;; error: cannot be compiled

(component
(core module
  (memory 1 1 shared))
)
