;; Needs more memory than the machine has.
;;
;; request: load
;; status: 400
;; error: --memory-mib

(func $describe (result i32)
  (i32.store8 (i32.const 1592) (i32.const 1))
  (i64.store (i32.const 1600) (i64.const -1))
  (i32.const 1536))
