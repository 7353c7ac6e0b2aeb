;; Imports an interface that no guest is given: the files of the machine.
;;
;; request: load
;; status: 400
;; error: wasi:filesystem

(component
(import "wasi:filesystem/preopens@0.2.0" (instance
  (export "get-directories" (func (result (list u32))))))
)
