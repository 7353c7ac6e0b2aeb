;; Calls a function that a table does not have.
;;
;; request: read harm
;; status: 500
;; error: uninitialized element

(type $f (func))
(table 2 funcref)
(func $hostile (result i32)
  (call_indirect (type $f) (i32.const 1))
  unreachable)
