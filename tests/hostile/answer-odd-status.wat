;; Refuses a request with a status that is not an error's.
;;
;; request: read harm
;; status: 500
;; error: an error of status 99,

(func $hostile (result i32)
  (i32.store8 (i32.const 1024) (i32.const 1))
  (i32.store8 (i32.const 1032) (i32.const 5))
  (i32.store16 (i32.const 1036) (i32.const 99))
  (i32.const 1024))
