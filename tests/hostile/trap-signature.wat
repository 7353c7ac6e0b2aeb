;; Calls a function through a table as if it had another signature.
;;
;; request: read harm
;; status: 500
;; error: indirect call type mismatch

(type $f (func (param i64) (result i64)))
(table 1 funcref)
(elem (i32.const 0) $benign)
(func $hostile (result i32)
  (i32.wrap_i64 (call_indirect (type $f) (i64.const 1) (i32.const 0))))
